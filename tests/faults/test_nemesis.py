"""The names of the faults in a run."""

import pytest

from tests.faults.nemesis import FAULTS, kinds


def test_every_fault_can_be_chosen_by_its_name() -> None:
    assert kinds(", ".join(FAULTS)) == list(FAULTS)


def test_an_unknown_fault_is_rejected_with_the_names_of_all_faults() -> None:
    with pytest.raises(ValueError, match=r"^no such fault on this database: server hidden; the faults are ") as error:
        kinds("server killed,server hidden")
    assert str(error.value).endswith(", ".join(FAULTS))
