"""Survivors of mutation testing are known by what changed, wherever their code is."""

import pytest

from tools.dev.mutants import ACCEPTED, Survivor, accepted

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


def test_a_function_is_named_without_a_class() -> None:
    assert Survivor.of("server.domain.money.x__positive_one__mutmut_12", DIFF).function == "_positive_one"


@pytest.mark.parametrize("survivor", [SURVIVOR, Survivor("f", "raise X('a')\ny = \"b\"", ""), Survivor("f", "x", "y")])
def test_a_survivor_is_printed_as_the_list_takes_it(survivor: Survivor) -> None:
    assert accepted(f'{survivor}\nreason = "it is the same"\n') == {survivor}


def test_one_that_is_accepted_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no reason for a mutant of Money\.plus"):
        accepted(f"{SURVIVOR}\n")


def test_each_in_the_list_has_a_reason() -> None:
    assert accepted(ACCEPTED.read_text(encoding="utf-8"))
