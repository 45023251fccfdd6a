"""The snapshot misses no error message, because a message that cannot be found in the source fails."""

import pytest

from server.domain.errors import FieldViolation, InvalidRequest, PaymentNotFound, PaymentsError
from tests.surface.messages import messages_in
from tests.surface.sources import NotUnderstood, Source, parse

NAMES = {"PaymentNotFound": PaymentNotFound, "FieldViolation": FieldViolation, "MAX": 20}


def module(line: str) -> Source:
    """Return a module with this line in a method."""
    words = "words = 'is gone' if is_one else 'are gone'"
    text = f"class Reader:\n    def read(self, said, is_one):\n        {words}\n        {line}"
    return parse("module.py", text, NAMES)


@pytest.mark.parametrize(
    ("line", "kind", "found"),
    [
        ("raise PaymentNotFound('is gone')", PaymentNotFound, {"is gone"}),
        (
            "raise PaymentNotFound(f'{said}: {words} of {MAX:,}')",
            PaymentNotFound,
            {"{}: is gone of 20", "{}: are gone of 20"},
        ),
        ("yield FieldViolation('amount', description='is ' + 'wrong')", InvalidRequest, {"is wrong"}),
        ("raise PaymentNotFound(str(said))", PaymentNotFound, set()),
    ],
)
def test_a_message_is_found_in_the_source(line: str, kind: type[PaymentsError], found: set[str]) -> None:
    assert set(messages_in(module(line))) == {(kind, text) for text in found}


@pytest.mark.parametrize("line", ["raise PaymentNotFound(said)", "raise PaymentNotFound()", "FieldViolation('amount')"])
def test_a_message_that_cannot_be_found_fails(line: str) -> None:
    with pytest.raises(NotUnderstood, match=r"module\.py:4: "):
        list(messages_in(module(line)))
