"""What people and programs call with: grpcurl and its like, the Python client, the ``payments`` command."""
