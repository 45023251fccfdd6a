"""Tests of ``tools`` with a database."""
