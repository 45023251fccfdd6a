"""Tests of the service with a remote processor."""
