"""The cache by identity."""

import gc
import weakref

from server.transport.service.identity_cache import IdentityCache


class Item:
    """An object that counts how often it is used."""

    uses = 0


def use(item: Item) -> int:
    item.uses += 1
    return id(item)


def test_the_function_is_called_once_for_each_object() -> None:
    cache = IdentityCache(use, 2)
    first, second = Item(), Item()
    for item in (first, second, first, second):
        assert cache(item) == id(item)
    assert (first.uses, second.uses) == (1, 1)


def test_an_object_in_use_stays_and_others_are_forgotten() -> None:
    cache = IdentityCache(use, 2)
    kept = Item()
    others = [weakref.ref(item) for item in (Item() for _ in range(50)) if cache(item) and cache(kept)]
    gc.collect()
    assert kept.uses == 1
    assert sum(reference() is not None for reference in others) <= 4
    assert others[0]() is None


def test_a_new_object_with_a_reused_identity_has_its_own_result() -> None:
    cache = IdentityCache(use, 1)
    for _ in range(100):
        item = Item()
        assert cache(item) == id(item)
        assert item.uses == 1
