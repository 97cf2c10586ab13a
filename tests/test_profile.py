"""bench.profile and bench.compare_profiles: stages are found, and compared by their least time."""

import pytest

from bench import compare_profiles, profile
from bench.clock import Clock
from bench.paths import GOLDEN, ROOT
from tapeflow.engine.fold import Fold

BEFORE = """\
5,000,000 records in 2.35 s; CPU by stage, 1 worker(s)
stage          ns/tick       %       calls
scan             144.5    31.1         354
keep state         0.4     0.1          11
all              464.1   100.0
processor AMD EPYC, cores 2, memory_gib 23.5, python 3.11.7, bytewax 0.21.1
"""


@pytest.mark.parametrize(
    ("module", "name"), [*(f[1:] for f in profile.FUNCTIONS + profile.ONCE), profile.FOLD]
)
def test_every_function_of_a_stage_exists(module, name):
    owner, last = profile.find(module, name)
    assert callable(getattr(owner, last))


def test_a_stage_does_not_count_the_time_of_a_stage_it_calls():
    clock = Clock()
    inner = clock.time_calls(lambda: sum(range(2_000_000)), lambda: "inner")
    outer = clock.time_calls(inner, lambda: "outer")
    outer()
    assert clock.calls == {"inner": 1, "outer": 1}
    assert clock.spent_ns["inner"] > 10 * clock.spent_ns["outer"] > 0


def test_what_happens_once_is_a_line_in_ms_and_no_tick_pays_for_it():
    clock = Clock()
    clock.spent_ns.update(scan=1000, load=7_000_000, finish=2_000_000)
    *stages, once = profile.format_table(clock, 9_003_000, 10)
    table = compare_profiles.parse_table("\n".join([*stages, once]))
    assert table == {"engine": 200.0, "scan": 100.0, "all": 300.0}
    assert once == "once, ms: load 7, build 0, prepare 0, kernels 0, create 0, finish 2"


def test_a_fold_is_the_stage_that_its_step_is_named_after():
    class Dedupe:
        VERSION = 1

    step: object = Dedupe()
    assert profile.step_stage(Fold(step, None, emit_batches=False)) == "dedupe"


def test_the_printed_table_is_read_back_by_stage():
    table = compare_profiles.parse_table(BEFORE)
    assert table == {"scan": 144.5, "keep state": 0.4, "all": 464.1}


def test_a_stage_counts_with_its_least_time():
    assert compare_profiles.least([{"a": 2.0, "b": 1.0}, {"a": 1.0}]) == {"a": 1.0}


def test_a_stage_is_slower_only_beyond_the_ratio_and_the_noise():
    before = {"scan": 100.0, "desk": 100.0, "facts": 1.0}
    after = {"scan": 103.0, "desk": 103.1, "facts": 2.0, "new": 50.0}
    assert compare_profiles.slower(before, after, 1.03) == ["desk"]


def test_a_stage_of_one_side_only_has_no_ratio():
    lines = [*compare_profiles.format_table({"scan": 100.0, "old": 1.0}, {"scan": 150.0})]
    assert lines[1].split() == ["scan", "100.0", "150.0", "1.50"]
    assert lines[2].split() == ["old", "1.0"]


@pytest.mark.slow
def test_every_step_of_the_flow_is_a_stage_of_a_profiled_replay():
    done = compare_profiles.profile(ROOT, GOLDEN)
    assert {"read", "scan", "decode", "dedupe", "bars", "normalise", "signals"} <= done.keys()
    assert {"desk", "quality", "batch_facts", "results", "engine", "all"} <= done.keys()
