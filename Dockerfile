FROM python:3.11-slim
WORKDIR /app
COPY requirements/server.txt requirements/server.txt
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/server.txt
COPY clients/python clients/python
RUN pip install --no-cache-dir --no-deps ./clients/python
COPY migrations migrations
COPY server server
COPY tools tools
USER nobody
ENV GRPC_HOST=0.0.0.0 REST_HOST=0.0.0.0 LOG_FORMAT=json PYTHONUNBUFFERED=1
EXPOSE 50051 8001
# Replicas may start together: migrations run each once, under a lock.
CMD ["sh", "-c", "payments migrate && exec payments serve"]
