"""The long form of the crash test: kill a replay again and again, over tapes and over Kafka.

    python -m tests.crash_long [--kills 200] [--seed 1]

Each round replays one log in changing shapes, killing one process or all at random moments, and by
the fault switch between the two commits; at its end the digest must be that of an unbroken run.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.crashing import Crashing
from tests.running import REFERENCE, loaded, replay
from tests.test_crash import job_file

GOLDEN = REFERENCE / "golden-heartbeat"
A_ROUND = 10  # kills


def one_round(seed: int, kills: int, expected: str) -> int:
    """One log to its end: over tapes or Kafka by turns; the number of kills it survived."""
    with tempfile.TemporaryDirectory() as folder:
        job = job_file(Path(folder))
        if seed % 2:
            crashing = Crashing(Path(folder), [str(GOLDEN), "--speed", "20x"], job, seed)
            found = crashing.run(kills, longest_s=2.5)
        else:
            with loaded(GOLDEN) as there:
                source = ["--from-topics", "--bootstrap", there.kafka.bootstrap, "--speed", "20x"]
                crashing = Crashing(Path(folder), source, job, seed)
                found = crashing.run(kills, longest_s=2.5)
    if found != expected:
        sys.exit(f"seed {seed}: another digest after {crashing.kills} kills: {found}")
    return crashing.kills


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Kill a replay many times.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        expected = replay(GOLDEN, Path(folder) / "unbroken.duckdb")
    kills = 0
    seed = args.seed
    while kills < args.kills:
        kills += one_round(seed, A_ROUND, expected)
        seed += 1
        rounds, seconds = seed - args.seed, time.monotonic() - began
        print(f"{kills} kills, {rounds} rounds, {seconds:.0f} s: same digest")


if __name__ == "__main__":
    main()
