"""Tests of ``server.domain``."""
