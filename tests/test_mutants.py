"""The table of wrong changes is true to the code; running it takes an hour: bench/mutate.py."""

import pytest

from bench.mutate import ROOT, read_mutants

MUTANTS = read_mutants()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_changes_text_that_stands_once_and_names_tests_that_exist(name):
    mutant = MUTANTS[name]
    assert mutant.fits(ROOT)
    assert mutant.new != mutant.old
    missing = [test for test in mutant.tests.split() if not (ROOT / test).exists()]
    assert missing == []
