"""Payment sources, and the marks that are stored in their place."""

import pytest

from server.domain.payment_source import SourceKeys, is_same_source, problem_of_source
from tests.support.secrecy import CARD_NUMBERS

OLD, NEW = "the-old-key-" + "o" * 32, "the-new-key-" + "n" * 32
SOURCE, OTHER = "pm_1Mq", "pm_1Mr"


def mark(source: str, *keys: str) -> str:
    """Return the mark that is stored for a source."""
    return SourceKeys(keys).marks(source)[0]


@pytest.mark.parametrize("source", ["pm_1Mq", "!", "~" * 255, "tok:/?#[]@"])
def test_a_token_in_printable_ascii_can_be_a_source(source: str) -> None:
    assert problem_of_source(source) is None


@pytest.mark.parametrize("source", ["", "pm 1", "pm_1\n", "pm_é", "\x7f", "p" * 256, *CARD_NUMBERS])
def test_other_texts_cannot_be_sources_and_are_not_quoted(source: str) -> None:
    problem = problem_of_source(source)
    assert problem is not None
    assert not source or source not in problem


def test_a_mark_says_nothing_about_its_source_and_fits_the_column() -> None:
    marks = SourceKeys((NEW, OLD)).marks(SOURCE)
    assert len(set(marks)) == 2
    for one in marks:
        assert SOURCE not in one
        assert len(one) <= 80
    assert len({mark("p" * length, NEW) for length in range(1, 256)}) == 255
    assert not set(marks) & set(SourceKeys((NEW, OLD)).marks(OTHER))
    assert marks == SourceKeys((NEW, OLD)).marks(SOURCE), "a mark does not change"


def test_a_source_is_recognized_by_the_mark_of_any_key() -> None:
    for keys in ((OLD,), (NEW, OLD), (OLD, NEW)):
        marks = SourceKeys(keys).marks(SOURCE)
        assert is_same_source(mark(SOURCE, OLD), marks)
        assert not is_same_source(mark(OTHER, OLD), marks)


def test_a_mark_whose_key_is_gone_matches_every_source_but_not_none() -> None:
    assert is_same_source(mark(SOURCE, OLD), SourceKeys((NEW,)).marks(OTHER))
    assert not is_same_source(mark(SOURCE, OLD), ())


def test_a_charge_without_a_source_matches_only_another_without() -> None:
    assert is_same_source(None, ())
    assert not is_same_source(None, SourceKeys((NEW,)).marks(SOURCE))
    assert not is_same_source(mark(SOURCE, NEW), ())


def test_without_keys_there_are_no_marks() -> None:
    assert not SourceKeys(())
    assert SourceKeys((NEW,))
    assert SourceKeys(()).marks(SOURCE) == ()
