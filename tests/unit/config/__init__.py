"""Tests of ``server.config`` without a database."""
