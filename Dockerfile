# The tests run these steps: see tests/deploy/test_image.py.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/payments
COPY requirements/server.txt requirements/server.txt
RUN pip --python /opt/payments/bin/python install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/server.txt
COPY clients/python clients/python
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY server server
COPY tools tools
RUN pip wheel --no-cache-dir --no-deps --wheel-dir wheels ./clients/python . \
    && pip --python /opt/payments/bin/python install --no-cache-dir --no-index --no-deps wheels/*.whl

FROM python:3.11.14-slim-bookworm
COPY --from=build /opt/payments /opt/payments
ENV PATH=/opt/payments/bin:$PATH GRPC_HOST=0.0.0.0 REST_HOST=0.0.0.0 LOG_FORMAT=json PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
EXPOSE 50051 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "tools.health_probe"]
ENTRYPOINT ["payments"]
CMD ["serve"]
