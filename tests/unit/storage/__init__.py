"""Tests of ``server.storage`` that need no database."""
