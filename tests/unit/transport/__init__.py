"""Tests of ``server.transport`` without a database."""
