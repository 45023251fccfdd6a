"""The caller's own names: their limits, and what remains after a customer was erased."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import InvalidValue
from server.domain.names import NO_NAMES, Names, labels, name


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=100))
def test_any_text_without_control_characters_is_a_name_and_is_kept_exactly(text: str) -> None:
    assert name(text) == text
    assert dict(labels({text[:40]: text})) == {text[:40]: text}


@pytest.mark.parametrize("text", ["", "x" * 101, "a\0", "\n", "tab\t", "\x7f", "\x85"])
def test_a_name_has_1_to_100_characters_and_no_control_characters(text: str) -> None:
    with pytest.raises(InvalidValue, match="must be 1 to 100 characters"):
        name(text)


@pytest.mark.parametrize(
    ("pairs", "description"),
    [
        ({str(number): "" for number in range(17)}, "must have at most 16 labels"),
        ({"": ""}, "keys must be 1 to 40 characters"),
        ({"k" * 41: ""}, "keys must be 1 to 40 characters"),
        ({"k\n": ""}, "keys must be 1 to 40 characters"),
        ({"k": "v" * 101}, "values must be at most 100 characters"),
        ({"k": "\0"}, "values must be at most 100 characters"),
    ],
)
def test_labels_are_few_and_short(pairs: dict[str, str], description: str) -> None:
    with pytest.raises(InvalidValue, match=description):
        labels(pairs)


def test_labels_are_sorted_so_that_their_order_does_not_matter() -> None:
    assert labels({"b": "2", "a": "1"}) == labels({"a": "1", "b": "2"}) == (("a", "1"), ("b", "2"))
    assert labels({}) == ()


def test_only_the_external_reference_remains_after_a_customer_was_erased() -> None:
    assert Names("ORD-7", "customer", (("a", "1"),)).without_customer() == Names("ORD-7")
    assert NO_NAMES.without_customer() == NO_NAMES


def test_names_are_not_in_the_text_of_an_object_so_that_no_log_shows_them() -> None:
    assert repr(Names("ORD-7", "customer", (("a", "1"),))) == "Names(...)"
