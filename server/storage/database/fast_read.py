"""A fast way to read the rows of a query: parse each chunk of the reply as a whole, and convert no value.

The driver awaits the header and the body of every row and creates objects for both, which costs more than all other
work for a page of payments. The protocol is "Text Resultset" in MySQL's documentation, without CLIENT_DEPRECATE_EOF,
which the driver never requests.
"""

from typing import Any

import aiomysql
from pymysql.constants import COMMAND
from pymysql.err import InternalError
from pymysql.protocol import MysqlPacket

from server.storage.database.driver_errors import connection_lost

_CHUNK_BYTES = 1 << 20
_HEADER_BYTES = 4
_MAX_PACKET_BYTES = 0xFFFFFF
"""A packet of this length is continued by the next one."""

_EOF, _ERROR, _NULL = 0xFE, 0xFF, 0xFB
_EOF_MAX_BYTES = 8
_VALUE_STARTS = {0xFC: 3, 0xFD: 4, 0xFE: 9}
"""The offset of a value whose length takes several bytes, by the first of them (a "length-encoded integer")."""

RawRow = tuple[Any, ...]
"""The values of a row: bytes as the database sent them, in UTF-8, or None for NULL."""


async def read_values(connection: aiomysql.Connection, query: str) -> list[bytes]:
    """Execute a query with one column that is never NULL, and return its values as the database sent them, in UTF-8.

    After an error, the connection must be closed, because a part of the reply may still be unread.

    Raises:
        pymysql.err.MySQLError: the same errors as the driver itself.
    """
    rows = await _read(connection, query, has_one_column=True)
    return [row[1:] if row[0] < _NULL else row[_VALUE_STARTS[row[0]] :] for row in rows]


async def read_rows(connection: aiomysql.Connection, query: str) -> list[RawRow]:
    """Execute a query, and return its rows: see ``read_values``."""
    return [_split(row) for row in await _read(connection, query, has_one_column=False)]


async def _read(connection: aiomysql.Connection, query: str, *, has_one_column: bool) -> list[bytes]:
    """Execute a query, and return the packets of its rows. A single column must not be NULL."""
    try:
        await connection._execute_command(COMMAND.COM_QUERY, query)  # noqa: SLF001 - the first step of the driver's query()
    except RuntimeError as error:  # uvloop's error for a connection that was reset while it was idle
        raise connection_lost() from error
    reply = _Reply(has_one_column=has_one_column)
    while not reply.is_complete:
        reply.feed(await _receive(connection))
    return reply.rows


def _split(row: bytes) -> RawRow:
    values: list[bytes | None] = []
    offset, size = 0, len(row)
    while offset < size:
        first = row[offset]
        if first == _NULL:
            values.append(None)
            offset += 1
            continue
        start = offset + 1 if first < _NULL else offset + _VALUE_STARTS[first]
        offset = start + (first if first < _NULL else int.from_bytes(row[offset + 1 : start], "little"))
        values.append(row[start:offset])
    return tuple(values)


class _Reply:
    """A parser for a reply: column count, column definitions, EOF packet, a packet for each row, EOF packet."""

    def __init__(self, *, has_one_column: bool) -> None:
        self.rows: list[bytes] = []
        self.is_complete = False
        self._has_one_column = has_one_column
        self._expects_rows = False
        self._sequence_number = 1
        self._unparsed = b""

    def feed(self, chunk: bytes) -> None:
        """Parse the packets that this chunk completes."""
        received = self._unparsed + chunk
        offset, size = 0, len(received)
        while size - offset > _HEADER_BYTES:
            start = offset + _HEADER_BYTES
            end = start + (received[offset] | received[offset + 1] << 8 | received[offset + 2] << 16)
            if end > size:
                break
            if received[offset + 3] != self._sequence_number & 0xFF:
                expected = self._sequence_number & 0xFF
                raise InternalError(f"wrong packet sequence number: {received[offset + 3]}, not {expected}")
            first = received[start]
            if self._expects_rows and first < _NULL:
                self.rows.append(received[start:end])
            else:
                self._parse_other(received[start:end])
            offset = end
            self._sequence_number += 1
        self._unparsed = received[offset:]
        if self.is_complete and self._unparsed:
            raise InternalError("the reply continues after its end")

    def _parse_other(self, packet: bytes) -> None:
        """Parse a packet that is not a row with a short first value."""
        first = packet[0]
        if first == _ERROR:
            MysqlPacket(packet, "utf8").raise_for_error()
        elif first == _EOF and len(packet) <= _EOF_MAX_BYTES:
            self._expects_rows, self.is_complete = True, self._expects_rows
        elif self._expects_rows:
            if len(packet) == _MAX_PACKET_BYTES or (first == _NULL and self._has_one_column):
                raise InternalError("a value is NULL, or a row is longer than a packet")
            self.rows.append(packet)
        elif self._sequence_number == 1 and (first == 0 or (self._has_one_column and first != 1)):
            raise InternalError("the reply has no columns, or more than one")


async def _receive(connection: aiomysql.Connection) -> bytes:
    """Return the bytes that have arrived; wait if there are none yet."""
    try:
        received: bytes = await connection._reader.read(_CHUNK_BYTES)  # noqa: SLF001
    except OSError as error:
        raise connection_lost() from error
    if not received:
        raise connection_lost()
    return received
