"""Unit tests of ``tools/operations``."""
