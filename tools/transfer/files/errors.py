"""Errors of files."""

from tools.errors import ToolError


class CsvError(ToolError):
    """A file cannot be imported or exported."""


class DamagedFile(CsvError):
    """A file turned out to be damaged while it was read."""
