"""``python -m bench.peers.direct``: run it by the settings of the service."""

import functools

from server.__main__ import run
from server.app.build import Application, build
from server.config.settings import Settings
from server.domain.deadline import Deadline
from server.domain.payment import ChargeOutcome, NewPayment
from server.storage.database.pool import Database
from server.storage.payments.charges import insert_one
from server.storage.payments.store import MysqlPaymentStore


class DirectPaymentStore(MysqlPaymentStore):
    """Payments in the database, where each charge is an INSERT of its own."""

    def __init__(self, database: Database) -> None:
        """Keep the database."""
        super().__init__(database)
        self._direct = database

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment, or return the earlier one of its request key: see ``PaymentStore.insert``."""
        return await self._direct.run(functools.partial(insert_one, payment=payment), deadline)


def direct(settings: Settings) -> Application:
    """Wire the service with that store."""
    database = Database(settings)
    return build(settings, database=database, store=DirectPaymentStore(database))


if __name__ == "__main__":
    run(direct)
