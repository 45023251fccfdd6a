"""Unit tests of ``tools/cli``."""
