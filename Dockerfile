# tests/deploy/test_image.py runs these steps without Docker.
# The digest covers all platforms of this tag; docker-library/repo-info lists the digests of the official images.
FROM python:3.11.16-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b AS base

FROM base AS build
# uv would give up after 30 s without data, and after 60 s of compiling, which a busy machine exceeds.
ENV UV_COMPILE_BYTECODE=1 UV_COMPILE_BYTECODE_TIMEOUT=600 UV_HTTP_TIMEOUT=300 UV_NO_CACHE=1
WORKDIR /build
COPY tools/uv/requirements.txt tools/uv/
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --target uv -r tools/uv/requirements.txt
COPY uv.lock pyproject.toml ./
COPY clients/python/pyproject.toml clients/python/
# Two environments: one builds the project's wheels; the other, without pip, runs the service.
RUN UV_PROJECT_ENVIRONMENT=backend uv/bin/uv sync --locked --only-group build --no-build \
    && UV_PROJECT_ENVIRONMENT=/opt/payments uv/bin/uv sync --locked --no-default-groups --no-install-local --no-build
COPY README.md LICENSE ./
COPY clients/python clients/python
COPY migrations migrations
COPY server server
COPY tools tools
RUN uv/bin/uv build --python backend --no-build-isolation --wheel --out-dir wheels clients/python \
    && uv/bin/uv build --python backend --no-build-isolation --wheel --out-dir wheels . \
    && uv/bin/uv pip install --python /opt/payments --no-index --no-deps wheels/*.whl

FROM base
LABEL org.opencontainers.image.title="payments" \
      org.opencontainers.image.description="Charge, refund, get and list payments over gRPC and REST" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/payments /opt/payments
ENV PATH=/opt/payments/bin:$PATH GRPC_ENGINE=envoy GRPC_HOST=0.0.0.0 REST_HOST=0.0.0.0 LOG_FORMAT=json PYTHONUNBUFFERED=1
# The service must not be able to write to this folder: Python imports from it, and settings are read from its .env.
WORKDIR /opt/payments
USER 10001:10001
EXPOSE 50051 8001
STOPSIGNAL SIGTERM
# The start period is longer than the service may wait for the database at startup (MYSQL_STARTUP_TIMEOUT_SECONDS, 60).
HEALTHCHECK --interval=10s --timeout=5s --start-period=70s --retries=3 CMD ["python", "-m", "tools.operations.health_probe"]
ENTRYPOINT ["payments"]
CMD ["serve"]
