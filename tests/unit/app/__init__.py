"""Tests of ``server.app`` without a database."""
