"""Rows of the legacy service's table."""

from datetime import datetime

LEGACY_INSERT = """
    INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""

LegacyRow = tuple[int, int, str | None, str, int | None, str | None, str | datetime | None, int]

NO_PAD = "/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */"
"""The binary collation in which trailing spaces are significant: its name in SQL for MariaDB and for MySQL."""
