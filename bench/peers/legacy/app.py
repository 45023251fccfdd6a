"""The three paths of the legacy service, over its own table."""

import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from fastapi.middleware.cors import CORSMiddleware
from mysql.connector.abstracts import MySQLCursorAbstract
from mysql.connector.pooling import MySQLConnectionPool
from pydantic import BaseModel

_POOL_SIZE = 16
_SUCCESS_PROBABILITY = 0.6
_TRUE = {"1", "true", "success", "yes"}
_DATE_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")


class ChargeRequest(BaseModel):
    """The body of a charge."""

    order_id: int
    amount: float


def make_app(settings: Mapping[str, str]) -> FastAPI:
    """Create the application. ``settings`` name the database and the probability that a charge succeeds."""
    open_cursor = _cursors(settings)
    probability = float(settings.get("SUCCESS_PROBABILITY", _SUCCESS_PROBABILITY))
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])

    @app.post("/v1/payments/charge", status_code=201)
    def charge(body: ChargeRequest) -> dict[str, Any]:
        succeeded = random.random() < probability
        now = datetime.now(UTC)
        reference = f"ECI{now:%Y%m%d}-{secrets.token_hex(4).upper()}"
        with open_cursor() as cursor:
            cursor.execute(
                "INSERT INTO payments (order_id, amount, method, status, reference, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    body.order_id,
                    body.amount,
                    random.choice(["COD", "CARD", "UPI"]),
                    succeeded,
                    reference,
                    now.replace(tzinfo=None, microsecond=0),
                ),
            )
        status, message = ("SUCCESS", "Payment succeeded") if succeeded else ("FAILED", "Payment failed")
        return {"reference": reference, "status": status, "message": message}

    @app.post("/v1/payments/{payment_id}/refund")
    def refund(payment_id: int) -> dict[str, Any]:
        with open_cursor() as cursor:
            cursor.execute("SELECT * FROM payments WHERE payment_id = %s", (payment_id,))
            row: Any = cursor.fetchone()
            if row is None:
                raise HTTPException(404, "Payment not found")
            if not row["status"]:
                raise HTTPException(400, "Payment had failed; cannot issue refund")
            if not row["refunded"]:
                cursor.execute("UPDATE payments SET refunded = 1 WHERE payment_id = %s", (payment_id,))
        return {
            "payment_id": payment_id,
            "amount": float(row["amount"]),
            "method": row["method"],
            "message": f"Amount {row['amount']:.2f} refunded to {row['method']}",
        }

    @app.get("/v1/payments")
    def list_payments(  # noqa: PLR0913, PLR0917 - FastAPI maps each query parameter to one argument
        page: Annotated[int, Query(ge=1)] = 1,
        per_page: Annotated[int, Query(le=200)] = 10,
        order_id: int | None = None,
        method: str | None = None,
        status: str | None = None,
        amount_gt: float | None = None,
        amount_lt: float | None = None,
        start_date: str | None = None,
        end_date: str | None = None,
        sort_by_created: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
    ) -> dict[str, Any]:
        conditions = {
            "order_id = %s": order_id,
            "method = %s": method or None,
            "status = %s": None if status is None else status.lower() in _TRUE,
            "amount >= %s": amount_gt,
            "amount <= %s": amount_lt,
            "created_at >= %s": _date(start_date),
            "created_at <= %s": _date(end_date),
        }
        active = {text: value for text, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(active)}" if active else ""
        values = tuple(active.values())
        with open_cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) AS total FROM payments {where}", values)
            count_row: Any = cursor.fetchone()
            cursor.execute(
                f"SELECT * FROM payments {where} ORDER BY created_at {sort_by_created}, payment_id {sort_by_created}"
                " LIMIT %s OFFSET %s",
                (*values, per_page, (page - 1) * per_page),
            )
            rows: Any = cursor.fetchall()
        return {
            "items": [_item(row) for row in rows],
            "page": page,
            "per_page": per_page,
            "total": count_row["total"],
        }

    return app


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "payment_id": row["payment_id"],
        "order_id": row["order_id"],
        "amount": None if row["amount"] is None else float(row["amount"]),
        "method": row["method"],
        "status": bool(row["status"]),
        "reference": row["reference"],
        "created_at": row["created_at"],
        "refunded": bool(row["refunded"]),
    }


def _date(text: str | None) -> datetime | None:
    for date_format in _DATE_FORMATS:
        try:
            return datetime.strptime(text or "", date_format).replace(tzinfo=UTC).replace(tzinfo=None)
        except ValueError:
            pass
    return None


def _cursors(settings: Mapping[str, str]) -> Callable[[], Any]:
    address: dict[str, Any] = (
        {"unix_socket": settings["MYSQL_SOCKET"]}
        if settings.get("MYSQL_SOCKET")
        else {"host": settings["MYSQL_HOST"], "port": int(settings.get("MYSQL_PORT", "3306"))}
    )
    pool = MySQLConnectionPool(
        pool_size=_POOL_SIZE,
        user=settings["MYSQL_USER"],
        password=settings.get("MYSQL_PASSWORD", ""),
        database=settings["MYSQL_DB"],
        collation="utf8mb4_general_ci",
        time_zone="+00:00",
        **address,
    )

    @contextmanager
    def open_cursor() -> Iterator[MySQLCursorAbstract]:
        connection = pool.get_connection()
        try:
            with connection.cursor(dictionary=True) as cursor:
                yield cursor
            connection.commit()
        finally:
            connection.close()

    return open_cursor
