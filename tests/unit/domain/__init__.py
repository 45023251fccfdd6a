"""Tests of ``server.domain`` without a database."""
