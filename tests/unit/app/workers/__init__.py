"""Tests of server.app.workers."""
