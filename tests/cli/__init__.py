"""Tests of the ``payments`` command and its effects on files and tables."""
