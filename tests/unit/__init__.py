"""Unit tests of the service and its tools, without a database."""
