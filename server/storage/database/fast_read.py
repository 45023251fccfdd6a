"""Fast reads: the values of a one-column query, parsed as whole chunks of the reply.

The driver awaits the header and the body of every row, and makes objects of both, which costs a page of payments more
than everything else that happens to it. Here each chunk that arrives is parsed at once. The protocol is that of MySQL's
documentation, "Text Resultset", without CLIENT_DEPRECATE_EOF, which the driver never asks for.
"""

import aiomysql
from pymysql.constants import COMMAND, CR
from pymysql.err import InternalError, OperationalError
from pymysql.protocol import MysqlPacket

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 4
_LONGEST_BYTES = 0xFFFFFF
"""A packet of this length goes on in the next one."""

_END, _ERROR, _NULL = 0xFE, 0xFF, 0xFB
_END_LONGEST_BYTES = 8
_VALUE_STARTS = {0xFC: 3, 0xFD: 4, 0xFE: 9}
"""After how many bytes a value begins whose length takes more than one (a "length-encoded integer")."""


async def read_values(connection: aiomysql.Connection, query: str) -> list[bytes]:
    """Execute a query of one column that is never NULL, and return its values as the database sent them, in UTF-8.

    After an error the rest of the reply is unknown, so the connection must be closed.

    Raises:
        pymysql.err.MySQLError: as the driver itself would.
    """
    await connection._execute_command(COMMAND.COM_QUERY, query)  # noqa: SLF001 - what its query() does first
    reply = _Reply()
    while not reply.is_whole:
        reply.take(await _receive(connection))
    return reply.values


class _Reply:
    """A reply that arrives in chunks: the number of columns, the column, an end, a value in each packet, and an end."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.is_whole = False
        self._has_begun = False
        self._number = 1
        self._rest = b""

    def take(self, piece: bytes) -> None:
        """Parse the packets that this chunk completes."""
        received = self._rest + piece
        place, size = 0, len(received)
        while size - place > _HEAD_BYTES:
            start = place + _HEAD_BYTES
            end = start + (received[place] | received[place + 1] << 8 | received[place + 2] << 16)
            if end > size:
                break
            if received[place + 3] != self._number & 0xFF:
                raise InternalError(f"packet sequence number wrong: {received[place + 3]}, not {self._number & 0xFF}")
            first = received[start]
            if self._has_begun and first < _NULL:
                self.values.append(received[start + 1 : end])
            else:
                self._take_other(received[start:end])
            place = end
            self._number += 1
        self._rest = received[place:]
        if self.is_whole and self._rest:
            raise InternalError("the reply goes on after its end")

    def _take_other(self, packet: bytes) -> None:
        """Parse a packet that is not a short value."""
        first = packet[0]
        if first == _ERROR:
            MysqlPacket(packet, "utf8").raise_for_error()
        elif first == _END and len(packet) <= _END_LONGEST_BYTES:
            self._has_begun, self.is_whole = True, self._has_begun
        elif self._has_begun:
            if first == _NULL or len(packet) == _LONGEST_BYTES:
                raise InternalError("a value is NULL, or longer than a packet")
            self.values.append(packet[_VALUE_STARTS[first] :])
        elif self._number == 1 and first != 1:
            raise InternalError("the reply has not one column")


async def _receive(connection: aiomysql.Connection) -> bytes:
    """Return what has arrived, or what arrives next."""
    try:
        received: bytes = await connection._reader.read(_CHUNK_BYTES)  # noqa: SLF001
    except OSError as error:
        raise _lost() from error
    if not received:
        raise _lost()
    return received


def _lost() -> OperationalError:
    return OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
