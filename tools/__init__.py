"""The project's own programs, one a file, each run as ``python -m tools.NAME``."""
