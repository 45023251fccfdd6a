"""Ports that processes share are reserved for them."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from server.transport.listening import bind, bindable_addresses, reserve


@contextmanager
def closed_at_end(sockets: list[socket.socket]) -> Iterator[int]:
    """Close the sockets at the end, and yield their port."""
    with ExitStack() as stack:
        for each in sockets:
            stack.enter_context(each)
        (port,) = {each.getsockname()[1] for each in sockets}
        yield port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "::"])
def test_only_processes_that_share_a_reserved_port_can_bind_it(host: str) -> None:
    with closed_at_end(reserve(host, 0)) as port:
        with pytest.raises(OSError, match=r"in use") as failed:
            bind(host, port)
        assert failed.value.errno == errno.EADDRINUSE
        first, second = (bind(host, port, shares_port=True) for _ in range(2))
        with closed_at_end(first), closed_at_end(second):
            assert {found for _, found in bindable_addresses(host, port, shares_port=True)} == {port}
            for reserve_again in (bind, reserve):
                with pytest.raises(OSError, match=r"in use"):
                    reserve_again(host, port)


def test_the_reserving_socket_gets_no_connection() -> None:
    with closed_at_end(reserve("127.0.0.1", 0)) as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with closed_at_end(bind("127.0.0.1", port, shares_port=True)):
            for _ in range(20):
                socket.create_connection(("127.0.0.1", port)).close()


def test_a_port_can_be_reserved_right_after_a_process_that_did_not_share_it() -> None:
    (listener,) = bind("127.0.0.1", 0)
    with closed_at_end([listener]) as port, socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = listener.accept()
        accepted.close()  # first, so that this end is in TIME_WAIT
        assert client.recv(1) == b""
    with closed_at_end(reserve("127.0.0.1", port)), closed_at_end(bind("127.0.0.1", port, shares_port=True)):
        socket.create_connection(("127.0.0.1", port)).close()
