"""Survivors of mutation testing are identified by their change, not by the location of the code."""

import pytest

from tools.dev.mutants import ACCEPTED, Survivor, parse_accepted

DIFF = """\
# server.domain.money.xǁMoneyǁplus__mutmut_5: survived
--- server/domain/money.py
+++ server/domain/money.py
@@ -1,4 +1,4 @@
 def plus(self, other: "Money") -> "Money":
     \"\"\"Return the sum.\"\"\"
-    return Money(self.currency, self.amount_minor + other.amount_minor)
+    return Money(self.currency, self.amount_minor - other.amount_minor)
""".splitlines()

SURVIVOR = Survivor(
    "Money.plus",
    "return Money(self.currency, self.amount_minor + other.amount_minor)",
    "return Money(self.currency, self.amount_minor - other.amount_minor)",
)


def test_a_survivor_stays_the_same_when_its_code_moves() -> None:
    assert Survivor.of("server.domain.money.xǁMoneyǁplus__mutmut_5", DIFF) == SURVIVOR
    moved = [line.replace("server/domain", "server/other").replace("1,4", "9,4") for line in DIFF]
    assert Survivor.of("server.other.money.xǁMoneyǁplus__mutmut_7", moved) == SURVIVOR


def test_a_function_outside_a_class_has_its_plain_name() -> None:
    assert Survivor.of("server.domain.money.x__positive_one__mutmut_12", DIFF).function == "_positive_one"


@pytest.mark.parametrize("survivor", [SURVIVOR, Survivor("f", "raise X('a')\ny = \"b\"", ""), Survivor("f", "x", "y")])
def test_a_survivor_is_printed_as_an_entry_of_the_list(survivor: Survivor) -> None:
    assert parse_accepted(f'{survivor}\nreason = "it is the same"\n') == {survivor}


def test_an_entry_without_a_reason_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no reason for a mutant of Money\.plus"):
        parse_accepted(f"{SURVIVOR}\n")


def test_each_entry_in_the_list_has_a_reason() -> None:
    assert parse_accepted(ACCEPTED.read_text(encoding="utf-8"))
