"""Tests of the faulty processor itself, so that other tests fail only because of the service."""

import socket

from tests.processors.faulty_processor import FaultyProcessor

_BODY = b"amount=100&currency=inr"
_HEADERS = (
    b"POST /v1/payment_intents HTTP/1.1\r\nHost: processor\r\nIdempotency-Key: half\r\nContent-Length: %d\r\n\r\n"
)


def test_a_request_that_is_cut_off_is_not_carried_out(processor: FaultyProcessor) -> None:
    for received in (b"", _BODY[:10]):
        with socket.create_connection(("127.0.0.1", processor.port)) as connection:
            connection.sendall(_HEADERS % len(_BODY) + received)
            connection.shutdown(socket.SHUT_WR)
            assert not connection.recv(1), "the processor closes the connection"
    assert not processor.requests
