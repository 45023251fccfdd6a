"""Tests of ``server.storage.payments`` on a real database."""
