"""A compact set of row ids."""

from collections.abc import Iterable


class IdSet:
    """A set of dense ids, such as those from AUTO_INCREMENT, which takes about one bit for each."""

    _PAGE_BITS = 13

    def __init__(self) -> None:
        """Create an empty set."""
        self._pages: dict[int, bytearray] = {}

    def __contains__(self, number: int) -> bool:
        """Whether a number is in the set."""
        page = self._pages.get(number >> self._PAGE_BITS)
        bit = number & ((1 << self._PAGE_BITS) - 1)
        return page is not None and bool(page[bit >> 3] & (1 << (bit & 7)))

    def update(self, numbers: Iterable[int]) -> None:
        """Add numbers."""
        for number in numbers:
            page = self._pages.setdefault(number >> self._PAGE_BITS, bytearray(1 << (self._PAGE_BITS - 3)))
            bit = number & ((1 << self._PAGE_BITS) - 1)
            page[bit >> 3] |= 1 << (bit & 7)
