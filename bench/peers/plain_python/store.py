"""Payments and refunds in the database."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import aiomysql
from grpc import StatusCode
from pymysql.err import IntegrityError

from bench.peers.plain_python.errors import Rejected

Row = dict[str, Any]

_PAYMENT_COLUMNS = """
    payment_id, order_id, amount, currency, method, status, reference, created_at, refunded_amount, refunded,
    requested_method
"""
_REFUND_COLUMNS = "refund_id, payment_id, amount, requested_amount, status, reason, created_at"
_INSERT_PAYMENT = """
    INSERT INTO payments (order_id, amount, currency, method, status, reference, created_at, requested_method, caller,
        request_id)
    VALUES (%(order_id)s, %(amount)s, %(currency)s, %(method)s, %(status)s, %(reference)s, %(created_at)s,
        %(requested_method)s, %(caller)s, %(request_id)s)
"""
_INSERT_REFUND = """
    INSERT INTO refunds (payment_id, amount, requested_amount, status, reason, caller, request_id, created_at)
    VALUES (%(payment_id)s, %(amount)s, %(requested_amount)s, %(status)s, %(reason)s, %(caller)s, %(request_id)s,
        %(created_at)s)
"""
_SAME_CHARGE = ("order_id", "amount", "currency", "requested_method")
_SAME_REFUND = ("payment_id", "requested_amount", "reason")


class PaymentStore:
    """Stores payments and refunds, as rows by the names of their columns."""

    def __init__(self, pool: aiomysql.Pool) -> None:
        """Use the pool, whose connections must autocommit and return rows as dicts."""
        self._pool = pool

    async def charge(self, payment: Row) -> tuple[Row, bool]:
        """Insert a payment, or find the earlier one with its request_id; return it, and whether it is an earlier one.

        Raises:
            Rejected: the earlier payment had other parameters.
        """
        async with self._pool.acquire() as connection, connection.cursor() as cursor:
            try:
                await cursor.execute(_INSERT_PAYMENT, payment)
            except IntegrityError:
                earlier = await _find_request(cursor, f"SELECT {_PAYMENT_COLUMNS} FROM payments", payment, _SAME_CHARGE)
                if earlier is None:
                    raise
                return earlier, True
            return {**payment, "payment_id": cursor.lastrowid}, False

    async def refund(self, refund: Row) -> tuple[Row, Row, bool]:
        """Refund a payment, or find the earlier refund; return it, its payment, and whether it is an earlier one.

        Raises:
            Rejected: the payment cannot be refunded, or the earlier refund had other parameters.
        """
        async with self._pool.acquire() as connection, connection.cursor() as cursor:
            await connection.begin()
            try:
                outcome = await _refund(cursor, refund)
            except Exception:
                await connection.rollback()
                raise
            await connection.commit()
            return outcome

    async def get(self, key: str, value: object) -> tuple[Row, list[Row]]:
        """Return the payment whose column ``key`` has a value, and its refunds, oldest first.

        Raises:
            Rejected: there is no such payment.
        """
        async with self._pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(f"SELECT {_PAYMENT_COLUMNS} FROM payments WHERE {key} = %s", (value,))
            payment = await cursor.fetchone()
            if payment is None:
                raise Rejected(StatusCode.NOT_FOUND, "payment not found")
            if not payment["refunded_amount"]:
                return payment, []
            text = f"SELECT {_REFUND_COLUMNS} FROM refunds WHERE payment_id = %s ORDER BY refund_id"
            await cursor.execute(text, (payment["payment_id"],))
            return payment, await cursor.fetchall()

    async def page(self, size: int, latest: datetime | None, after: tuple[datetime, int] | None) -> list[Row]:
        """Return the newest ``size`` payments that were created at ``latest`` or before, and come after a position.

        The position is the time and the id of the last payment of the previous page.
        """
        conditions, values = ["created_at IS NOT NULL"], list[object]()
        if latest is not None:
            conditions.append("created_at <= %s")
            values.append(latest)
        if after is not None:
            conditions.append("created_at <= %s AND (created_at < %s OR payment_id < %s)")
            values += [after[0], *after]
        async with self._pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(
                f"SELECT {_PAYMENT_COLUMNS} FROM payments WHERE {' AND '.join(conditions)}"
                " ORDER BY created_at DESC, payment_id DESC LIMIT %s",
                (*values, size),
            )
            rows: list[Row] = await cursor.fetchall()
            return rows


async def _refund(cursor: aiomysql.DictCursor, refund: Row) -> tuple[Row, Row, bool]:
    lock = f"SELECT {_PAYMENT_COLUMNS} FROM payments WHERE payment_id = %s FOR UPDATE"
    await cursor.execute(lock, (refund["payment_id"],))
    payment = await cursor.fetchone()
    earlier = await _find_request(cursor, f"SELECT {_REFUND_COLUMNS} FROM refunds", refund, _SAME_REFUND)
    if earlier is not None:
        return {**earlier, "currency": payment["currency"]}, payment, True
    amount = _refundable(payment, refund["requested_amount"])
    stored = {**refund, "amount": amount, "currency": payment["currency"], "status": 1}
    try:
        await cursor.execute(_INSERT_REFUND, stored)
    except IntegrityError:
        # Refunds of the same payment wait for its lock, so the request_id belongs to a refund of another payment.
        raise _request_id_reused() from None
    stored["refund_id"] = cursor.lastrowid
    payment["refunded_amount"] += amount
    payment["refunded"] = payment["refunded_amount"] == payment["amount"]
    await cursor.execute(
        "UPDATE payments SET refunded_amount = %s, refunded = %s WHERE payment_id = %s",
        (payment["refunded_amount"], payment["refunded"], payment["payment_id"]),
    )
    return stored, payment, False


def _refundable(payment: Row | None, requested: Decimal | None) -> Decimal:
    if payment is None:
        raise Rejected(StatusCode.NOT_FOUND, "payment not found")
    if not payment["status"]:
        raise Rejected(StatusCode.FAILED_PRECONDITION, "payment has not succeeded; there is nothing to refund")
    if payment["refunded"] or payment["amount"] is None:
        raise Rejected(StatusCode.FAILED_PRECONDITION, "nothing is left to refund")
    remaining: Decimal = payment["amount"] - payment["refunded_amount"]
    if requested is not None and requested > remaining:
        raise Rejected(StatusCode.FAILED_PRECONDITION, f"only {remaining} is left to refund")
    return remaining if requested is None else requested


async def _find_request(cursor: aiomysql.DictCursor, select: str, request: Row, same: tuple[str, ...]) -> Row | None:
    """Return the earlier row with the request_id of a request, which must agree in the columns ``same``."""
    await cursor.execute(f"{select} WHERE caller = %(caller)s AND request_id = %(request_id)s", request)
    earlier: Row | None = await cursor.fetchone()
    if earlier is not None and any(earlier[name] != request[name] for name in same):
        raise _request_id_reused()
    return earlier


def _request_id_reused() -> Rejected:
    return Rejected(StatusCode.ALREADY_EXISTS, "request_id was used before with other parameters")
