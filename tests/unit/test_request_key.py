"""Request_ids that are derived for the items of a batch."""

from hypothesis import given
from hypothesis import strategies as st

from server.domain.request_key import RequestKey, derived_request_id

KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255)
ITEMS = st.tuples(KEYS, st.integers(0, 999))


def test_a_derived_request_id_is_the_same_in_every_version() -> None:
    digest = "c783035e4a147817d3ec965ef7575b90338f9ce4ea04a114941571c5c73d307f"
    assert derived_request_id("order-343", "charges", 0) == f"{digest}.charges[0]"


@given(ITEMS, ITEMS)
def test_different_items_have_different_request_ids(one: tuple[str, int], other: tuple[str, int]) -> None:
    derived = [derived_request_id(key, "charges", position) for key, position in (one, other)]
    assert (derived[0] == derived[1]) == (one == other)
    for request_id, (key, _) in zip(derived, (one, other), strict=True):
        assert RequestKey.of("shop", request_id).request_id == request_id
        assert request_id != key
