"""Tests of ``tools``, the proto checks and the Python client, without a database."""
