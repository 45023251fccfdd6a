"""Tests of ``server.processors`` without a database."""
