"""End-to-end tests: each client's own programs against a running service."""
