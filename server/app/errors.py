"""Errors at startup."""


class StartupError(Exception):
    """The service cannot start; the message says why and what to do."""
