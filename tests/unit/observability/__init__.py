"""Tests of ``server.observability`` without a database."""
