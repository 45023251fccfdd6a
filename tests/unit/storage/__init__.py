"""Tests of ``server.storage`` without a database."""
