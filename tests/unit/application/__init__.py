"""Tests of ``server.application`` without a database."""
