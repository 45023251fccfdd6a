"""The ``payments`` command, and what it does with files and tables."""
