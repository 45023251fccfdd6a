"""Request ids of callers, and those derived for batch items."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import InvalidValue
from server.domain.identifiers import RequestKey, derive_request_id

KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255)
ITEMS = st.tuples(KEYS, st.integers(0, 999))


@pytest.mark.parametrize("request_id", ["x", "x" * 255, " ~"])
def test_a_request_id_of_printable_ascii_is_accepted_unchanged(request_id: str) -> None:
    assert RequestKey.of("shop", request_id) == RequestKey("shop", request_id, generated=False)


@pytest.mark.parametrize("request_id", ["", "x" * 256, "é", "tab\t", "\x7f"])
def test_any_other_request_id_is_rejected(request_id: str) -> None:
    with pytest.raises(InvalidValue):
        RequestKey.of("shop", request_id)


def test_a_call_without_a_request_id_gets_a_unique_random_one() -> None:
    keys = [RequestKey.of("shop", None) for _ in range(1000)]
    assert all(key.generated and key.caller == "shop" and len(key.request_id) == 32 for key in keys)
    assert len(set(keys)) == 1000


def test_the_format_of_derived_request_ids_never_changes() -> None:
    digest = "c783035e4a147817d3ec965ef7575b90338f9ce4ea04a114941571c5c73d307f"
    assert derive_request_id("order-343", "charges", 0) == f"{digest}.charges[0]"


@given(ITEMS, ITEMS)
def test_different_items_have_different_request_ids(one: tuple[str, int], other: tuple[str, int]) -> None:
    derived = [derive_request_id(key, "charges", position) for key, position in (one, other)]
    assert (derived[0] == derived[1]) == (one == other)
    for request_id, (key, _) in zip(derived, (one, other), strict=True):
        assert RequestKey.of("shop", request_id).request_id == request_id
        assert request_id != key
