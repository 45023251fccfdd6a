"""The error that tools raise when they cannot continue."""


class ToolError(Exception):
    """The tool cannot continue. Commands print the message unchanged; it gives the reason and says what to do."""
