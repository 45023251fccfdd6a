"""The snapshot misses no error message, because a message that cannot be found in the source fails."""

import pytest

from server.domain.errors import FieldViolation, InvalidRequest, PaymentNotFound, PaymentsError
from tests.surface.messages import messages_in
from tests.surface.sources import Source, UnsupportedForm, parse

NAMES = {"PaymentNotFound": PaymentNotFound, "FieldViolation": FieldViolation, "MAX": 20}


def module(line: str) -> Source:
    """Return a module with this line in a method."""
    assignment = "verb = 'is gone' if is_one else 'are gone'"
    code = f"class Reader:\n    def read(self, text, is_one):\n        {assignment}\n        {line}"
    return parse("module.py", code, NAMES)


@pytest.mark.parametrize(
    ("line", "kind", "found"),
    [
        ("raise PaymentNotFound('is gone')", PaymentNotFound, {"is gone"}),
        (
            "raise PaymentNotFound(f'{text}: {verb} of {MAX:,}')",
            PaymentNotFound,
            {"{}: is gone of 20", "{}: are gone of 20"},
        ),
        ("yield FieldViolation('amount', description='is ' + 'wrong')", InvalidRequest, {"is wrong"}),
        ("raise PaymentNotFound(str(text))", PaymentNotFound, set()),
    ],
)
def test_a_message_is_found_in_the_source(line: str, kind: type[PaymentsError], found: set[str]) -> None:
    assert set(messages_in(module(line))) == {(kind, text) for text in found}


@pytest.mark.parametrize("line", ["raise PaymentNotFound(text)", "raise PaymentNotFound()", "FieldViolation('amount')"])
def test_a_message_that_cannot_be_found_fails(line: str) -> None:
    with pytest.raises(UnsupportedForm, match=r"module\.py:4: "):
        list(messages_in(module(line)))
