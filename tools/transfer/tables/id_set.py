"""A compact set of row ids."""

from collections.abc import Iterable


class IdSet:
    """A set of ids which are dense, as AUTO_INCREMENT makes them: about a bit for each."""

    _PAGE_BITS = 13

    def __init__(self) -> None:
        """Begin empty."""
        self._pages: dict[int, bytearray] = {}

    def __contains__(self, number: int) -> bool:
        """Whether it has been added."""
        page = self._pages.get(number >> self._PAGE_BITS)
        place = number & ((1 << self._PAGE_BITS) - 1)
        return page is not None and bool(page[place >> 3] & (1 << (place & 7)))

    def update(self, numbers: Iterable[int]) -> None:
        """Add numbers."""
        for number in numbers:
            page = self._pages.setdefault(number >> self._PAGE_BITS, bytearray(1 << (self._PAGE_BITS - 3)))
            place = number & ((1 << self._PAGE_BITS) - 1)
            page[place >> 3] |= 1 << (place & 7)
