"""Errors of RPCs."""

from grpc import StatusCode


class Rejected(Exception):
    """The call is rejected. The text of the error is for its caller."""

    def __init__(self, status: StatusCode, message: str) -> None:
        """Reject a call with a status and a message for its caller."""
        super().__init__(message)
        self.status = status


def invalid(field: str, description: str) -> Rejected:
    """Return the error for an invalid field."""
    return Rejected(StatusCode.INVALID_ARGUMENT, f"{field}: {description}")
