"""On TiDB, scripts find the rows that they have inserted by an index, although their ids are in user variables."""

import re

import pytest
from pymysql.cursors import DictCursor

from server.storage.payments import queries
from server.storage.settlement import queries as settlement_queries
from tests.support.databases import DatabaseServer
from tests.support.plans import EXPLAIN, plan_steps
from tests.support.tidb import IS_SELECTED

pytestmark = pytest.mark.skipif(not IS_SELECTED, reason="for DATABASE=tidb")

SCRIPTS = {
    name: text
    for name, text in (vars(queries) | vars(settlement_queries)).items()
    if name.startswith(("INSERT_", "RESERVE_", "STORE_", "SETTLE_"))
}
STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
VARIABLES = "SET @refunds = 1, @first_refund_id = 1, @refund_id = 1, @outbox_id = 1"


def with_values(text: str) -> str:
    """Replace the parameters of a statement by values of the types of their columns."""
    text = text.replace("request_id) IN %s", "request_id) IN (('a', 'b'), ('a', 'c'))").replace("UNHEX(%s)", "'[]'")
    text = text.replace("reference IN %s", "reference IN ('R1', 'R2')").replace("IN %s", "IN (1, 2)")
    return re.sub(r"(caller|request_id|reference) = %s", r"\1 = 'a'", text).replace("%s", "1")


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_statement_of_a_script_reads_a_whole_table(
    database_server: DatabaseServer, migrated_database: dict[str, str], name: str
) -> None:
    statements = [text.strip() for text in SCRIPTS[name].split(";")]
    with database_server.connection(migrated_database["MYSQL_DB"]) as connection:
        cursor = connection.cursor(DictCursor)
        cursor.execute(VARIABLES)
        for statement in statements:
            if statement.startswith(STATEMENTS):
                cursor.execute(f"{EXPLAIN} {with_values(statement)}")
                assert all(step.access not in {"ALL", "index"} for step in plan_steps(cursor.fetchall())), statement
