"""The labels of a payment."""

from collections.abc import Iterator, Mapping


class Labels(Mapping[str, str]):
    """An immutable mapping. Unlike ``types.MappingProxyType``, it can be hashed, copied and pickled."""

    __slots__ = ("_labels",)

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        """Copy the labels, and order them by key, because a message has them in any order. None means no labels."""
        self._labels = dict(sorted(labels.items())) if labels else {}

    def __getitem__(self, key: str) -> str:
        """Return the label with this key."""
        return self._labels[key]

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the keys."""
        return iter(self._labels)

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(self._labels)

    def __hash__(self) -> int:
        """Return a hash that depends on the labels, but not on their order."""
        return hash(frozenset(self._labels.items()))

    def __repr__(self) -> str:
        """Return the labels as they are written in code."""
        return repr(self._labels)
