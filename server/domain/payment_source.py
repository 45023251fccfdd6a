"""Payment sources: tokens of a processor for the payer's means of payment, and the marks by which they are compared.

A token can be charged by anyone who has it and the account at the processor. So it is passed on to the processor, but
never stored. The mark that is stored in its place is a keyed hash: without the key, nobody can find out by trying which
token a mark stands for.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable

from server.domain.card_number import has_card_number

MIN_KEY_LENGTH = 32

_SOURCE = re.compile(r"[!-~]{1,255}")
_KEY_ID_LENGTH = 8
_SEPARATOR = ":"


def problem_of_source(text: str) -> str | None:
    """Return what is wrong with ``text`` as a payment source, or None. The result does not quote it."""
    if not _SOURCE.fullmatch(text):
        return "must be 1 to 255 printable ASCII characters, without spaces"
    if has_card_number(text):
        return "must be a token of the payment processor, not a card number"
    return None


class SourceKeys:
    """The keys of marks: the first makes new marks, and all of them recognize earlier ones.

    A mark begins with the id of its key. So a key can be replaced, while the marks of the earlier key are still
    compared for as long as that key is kept.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        """Use these keys, the newest first, each of at least ``MIN_KEY_LENGTH`` characters."""
        self._keys = [key.encode() for key in keys]
        self._ids = [_digest(key, b"the id of the key")[:_KEY_ID_LENGTH] for key in self._keys]

    def __bool__(self) -> bool:
        """Return whether there are any keys."""
        return bool(self._keys)

    def marks(self, source: str) -> tuple[str, ...]:
        """Return the marks of ``source`` with each key. The first is the one to store."""
        return tuple(
            f"{key_id}{_SEPARATOR}{_digest(key, b'a payment source:' + source.encode())}"
            for key_id, key in zip(self._ids, self._keys, strict=True)
        )


def is_same_source(stored: str | None, marks: tuple[str, ...]) -> bool:
    """Return whether a stored mark is that of the source with these marks; ``marks`` is empty without a source.

    A mark whose key is gone matches every source: nobody can tell any more whether it is the same one.
    """
    if stored is None or not marks:
        return stored is None and not marks
    same_key = [mark for mark in marks if _key_id(mark) == _key_id(stored)]
    return not same_key or any(hmac.compare_digest(mark, stored) for mark in same_key)


def _key_id(mark: str) -> str:
    return mark.partition(_SEPARATOR)[0]


def _digest(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()
