"""Values: the immutable types of the domain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def value(*, kw_only: bool = False) -> Callable[[type[_T]], type[_T]]:
    """Make a class a dataclass of values that nobody changes: equal when their fields are, and hashable.

    The type checker holds them immutable. ``dataclass(frozen=True)`` would do so at run time as well, at the price of
    making each several times slower: a page of 50 payments is 150 of them.
    """
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
