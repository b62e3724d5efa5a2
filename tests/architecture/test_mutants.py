"""The seeded mutants follow the core: a line that was rewritten takes its mutant along."""

import pytest

from tests.architecture.test_order import PACKAGE
from tests.mutants.core_mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_a_text_that_stands_once_in_its_file_to_another_program(mutant: Mutant) -> None:
    text = (PACKAGE / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
    assert mutant.new != mutant.old
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")  # what cannot be compiled is no mutant
