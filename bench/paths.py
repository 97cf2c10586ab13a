"""Paths of the benches: tapes, jobs, and the files of their figures."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"  # made by the benches, not under version control
JOB = ROOT / "jobs" / "reference.toml"
GENERATOR = ROOT / "tests" / "reference" / "gen.py"
GOLDEN = ROOT / "tests" / "reference" / "golden"
