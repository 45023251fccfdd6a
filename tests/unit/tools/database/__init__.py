"""Unit tests of ``tools/database``."""
