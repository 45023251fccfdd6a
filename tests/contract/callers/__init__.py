"""The service called through grpcurl and similar tools, the Python client, and the ``payments`` command."""
