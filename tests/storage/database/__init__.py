"""Tests of connections, transactions and their errors on a real database."""
