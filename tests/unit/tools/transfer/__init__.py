"""Unit tests of ``tools/transfer``."""
