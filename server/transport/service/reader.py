"""Decoding of the fields of a request: all violations are collected."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue

P = ParamSpec("P")
T = TypeVar("T")


class Reader:
    """Decodes the fields of one request, and collects their violations."""

    def __init__(self) -> None:
        """Start without violations."""
        self._violations: list[FieldViolation] = []

    def read(self, field: str, parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``parse(*args)``. If it raises ``InvalidValue``, record the violation, and return None.

        None is not of type ``T``, but ``raise_violations`` keeps it from being used.
        """
        try:
            return parse(*args, **kwargs)
        except InvalidValue as error:
            path = ".".join(filter(None, (field, error.part)))
            self._violations.append(FieldViolation(path, error.description))
            return cast("T", None)

    def raise_violations(self) -> None:
        """Raise ``InvalidRequest`` if there are violations."""
        if self._violations:
            raise InvalidRequest(tuple(self._violations))
