"""Fuzz tests: large amounts of arbitrary input."""
