"""The error that tools raise when they cannot go on."""


class ToolError(Exception):
    """The tool cannot go on. The message says why and what to do, and commands print it as it is."""
