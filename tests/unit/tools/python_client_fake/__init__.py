"""Tests of ``payments_client.testing``, the in-memory fake of the service."""
