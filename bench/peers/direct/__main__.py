"""``python -m bench.peers.direct``: run it by the settings of the service."""

import functools
from typing import Any

import server.app.lifecycle
from server.__main__ import main
from server.domain.deadline import Deadline
from server.domain.payment import ChargeOutcome, NewPayment
from server.storage.batching import Groups
from server.storage.database.pool import Database
from server.storage.payments.charges import insert_one
from server.storage.payments.store import MysqlPaymentStore


class DirectPaymentStore(MysqlPaymentStore):
    """Payments in the database, where each charge is an INSERT of its own."""

    def __init__(self, database: Database, due_seconds: float, groups: type[Groups[Any, Any]] = Groups) -> None:
        """Keep the database, and what other calls wait in: see ``MysqlPaymentStore``."""
        super().__init__(database, due_seconds, groups)
        self._direct = database

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment, or return the earlier one of its request key: see ``PaymentStore.insert``."""
        return await self._direct.run(functools.partial(insert_one, payment=payment), deadline)


if __name__ == "__main__":
    server.app.lifecycle.MysqlPaymentStore = DirectPaymentStore  # type: ignore[attr-defined, assignment]
    main()
