"""The service as called through grpcurl and similar tools, the Python client, and the ``payments`` command."""
