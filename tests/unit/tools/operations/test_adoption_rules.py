"""The rules for adopted payments and their copy in the documentation."""

from pathlib import Path

from tools.operations.doctor.adoption_rules import ADOPTION_RULES


def test_the_document_lists_all_rules() -> None:
    text = Path("docs/operations/adoption.md").read_text()

    for rule in ADOPTION_RULES:
        assert f"| {rule.name} | `{rule.condition}` | {rule.served} | {rule.advice} |\n" in text
    assert text.count("\n| ") == len(ADOPTION_RULES) + 2
