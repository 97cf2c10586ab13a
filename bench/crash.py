"""Kills a replay again and again: over tapes and over Kafka, one process or several, one digest.

    python -m bench.crash --kills 1000 [--seed 1] [--over tapes|embedded|real]

Each round replays one log in changing shapes, killing one process or all at random moments, and by
the fault switch between the two commits; at its end the digest must be that of an unbroken run.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench import brokers
from bench.crashing import Crashing, digest_of
from bench.paths import GOLDEN, JOB, ROOT
from tapeflow.flows.job import settings
from tapeflow.flows.run import topics
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.tape_files import find_tapes

LOG = GOLDEN.with_name("golden-heartbeat")
EPOCHS, PAGES = '[recovery]\nepoch = "100ms"\n', 'page_records = 50\nmax_lead = "2s"\n'
HASTY = EPOCHS + JOB.read_text().replace("[source]\n", f"[source]\n{PAGES}")
OVER = ("tapes", "embedded", "real")
ROUND_KILLS, LONGEST_S = 10, 2.5
PACE = ("--speed", "20x")


def write_job(folder: Path) -> Path:
    """Write the reference job with small pages and short epochs: more lies between."""
    path = folder / "job.toml"
    path.write_text(HASTY)
    return path


def run_to_end(*command: object) -> None:
    """Run a command of Tapeflow to its end, silently."""
    line = [sys.executable, "-m", "tapeflow", *map(str, command)]
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True)


def crash_over_tapes(folder: Path, seed: int, kills: int) -> tuple[str, int]:
    """Replay tapes through kills; return the digest, and how many kills there were."""
    crashing = Crashing(folder, [str(LOG), *PACE], write_job(folder), seed)
    return crashing.run(kills, LONGEST_S), crashing.kills


def crash_over_topics(folder: Path, seed: int, kills: int, broker_kind: str) -> tuple[str, int]:
    """Replay topics through kills; half of the seeds pack frames."""
    path = write_job(folder)
    with brokers.running(broker_kind) as broker:
        job = settings.load(path, {"TAPEFLOW_KAFKA_BOOTSTRAP": broker.bootstrap})
        factories = reader_factories(find_tapes([LOG], job), job, print)
        for topic, count in topics.partition_counts(factories, job).items():
            broker.create_topic(topic, count)
        pages = {name: topics.read_pages(factory) for name, factory in factories.items()}
        topics.load_pages(pages, job, print, pack=bool(seed // 2 % 2))
        source = ["--from-topics", "--bootstrap", broker.bootstrap, *PACE]
        crashing = Crashing(folder, source, path, seed)
        return crashing.run(kills, LONGEST_S), crashing.kills


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Kill a replay many times.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--over", choices=OVER, nargs="+", default=["tapes", "embedded"])
    args = parser.parse_args()
    began, done, seed = time.monotonic(), Counter[str](), args.seed
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "unbroken.duckdb"
        run_to_end("replay", LOG, "--config", JOB, "--results", results)
        expected = digest_of(results)
    while done.total() < args.kills:
        over, kills = args.over[seed % len(args.over)], min(ROUND_KILLS, args.kills - done.total())
        with tempfile.TemporaryDirectory() as name:
            if over == "tapes":
                found, killed = crash_over_tapes(Path(name), seed, kills)
            else:
                found, killed = crash_over_topics(Path(name), seed, kills, over)
        if found != expected:
            sys.exit(f"seed {seed} over {over}: another digest after {killed} kills: {found}")
        done[over] += killed
        seed += 1
        print(f"{time.monotonic() - began:.0f} s: kills {dict(done)}, one digest", flush=True)
    print(f"{done.total()} kills: {expected}")


if __name__ == "__main__":
    main()
