"""The stages of a replay in two checkouts, by turns: what became faster or slower.

    python -m bench.compare_profiles OTHER [--records 1000000] [--runs 5] [--ratio-max 1.03]

    before: OTHER   ▶   after: here   ▶   before   ▶   after   ▶ ...      on one core

Runs `python -m bench.profile` in OTHER, another checkout (git worktree add ../before COMMIT), and
in this one. Others use the machine too, so each stage counts with its least time of all runs.
Exits with 1 if a stage is slower than allowed.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.paths import ROOT
from bench.replay import reference_tapes

ROW = re.compile(r"^(\w[\w ]*?) +(\d+\.\d) +\d+\.\d(?: +[\d,]+)?$", re.MULTILINE)
NOISE_NS = 2.0  # a stage that changes by less, for each tick, is not called slower

Profile = Mapping[str, float]  # ns a tick, by stage


def profile(checkout: Path, tapes: Path) -> Profile:
    """Run bench.profile of a checkout on the last core; return its table."""
    pin = max(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-m", "bench.profile", str(tapes)],
        check=False,
        capture_output=True,
        text=True,
        cwd=checkout,
        preexec_fn=lambda: os.sched_setaffinity(0, {pin}),
    )
    if done.returncode:
        sys.exit(f"bench.compare_profiles: bench.profile of {checkout} failed:\n{done.stderr}")
    return parse_table(done.stdout)


def parse_table(text: str) -> Profile:
    """Return ns a tick by stage, from what bench.profile prints."""
    return {stage: float(ns) for stage, ns in ROW.findall(text)}


def least(profiles: list[Profile]) -> Profile:
    """Return the least time of each stage that is in all profiles."""
    stages = [stage for stage in profiles[0] if all(stage in each for each in profiles)]
    return {stage: min(each[stage] for each in profiles) for stage in stages}


def slower(before: Profile, after: Profile, ratio_max: float) -> list[str]:
    """Return the stages that are slower by more than a ratio, and by more than noise."""
    return [
        stage
        for stage, ns in after.items()
        if stage in before and ns > before[stage] * ratio_max and ns - before[stage] > NOISE_NS
    ]


def format_table(before: Profile, after: Profile) -> Iterator[str]:
    """Yield the lines of the comparison; a stage that only one side has gets no ratio."""
    yield f"{'ns/tick':<14}{'before':>10}{'after':>10}{'ratio':>8}"
    for stage in {**after, **before}:
        ns = before.get(stage), after.get(stage)
        cells = "".join(f"{'':>10}" if value is None else f"{value:>10.1f}" for value in ns)
        ratio = f"{ns[1] / ns[0]:>8.2f}" if ns[0] and ns[1] else ""
        yield f"{stage:<14}{cells}{ratio}".rstrip()


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Compare the stages of two checkouts.")
    parser.add_argument("other", type=Path, help="the checkout before the change")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ratio-max", type=float, default=1.03, help="more is called slower")
    args = parser.parse_args()
    tapes = reference_tapes(args.records)
    checkouts = args.other.resolve(), ROOT
    for checkout in checkouts:
        profile(checkout, tapes)  # fills the cache of compiled code
    profiles: dict[Path, list[Profile]] = {checkout: [] for checkout in checkouts}
    for _ in range(args.runs):
        for checkout in checkouts:
            profiles[checkout].append(profile(checkout, tapes))
    before, after = (least(profiles[checkout]) for checkout in checkouts)
    print(f"{args.records:,} records, least of {args.runs} runs, 1 core")
    print("\n".join(format_table(before, after)))
    if stages := slower(before, after, args.ratio_max):
        sys.exit(f"slower by more than {args.ratio_max - 1:.0%}: {', '.join(stages)}")


if __name__ == "__main__":
    main()
