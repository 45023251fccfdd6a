"""Connections, transactions and what goes wrong with them, on a database."""
