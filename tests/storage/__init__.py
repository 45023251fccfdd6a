"""Tests of ``server.storage`` on a real database."""
