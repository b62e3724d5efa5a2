"""The seeded mutants follow the core: a line that was rewritten takes its mutant along."""

import pytest

from tests.architecture.test_order import PACKAGE
from tests.mutants.core_mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_a_text_that_stands_once_in_its_file(mutant: Mutant) -> None:
    assert (PACKAGE / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
