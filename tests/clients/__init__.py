"""End-to-end tests that run each client's own programs against a running service."""
