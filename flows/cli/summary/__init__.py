"""The summary of a run: what became of every record, what was traded, and hints where it is odd.

results.duckdb ──▶ figures ──▶ text: one screen     or JSON
                      └──────▶ hints: a line each, below
"""

import json
from argparse import Namespace

from tapeflow.flows.cli.summary.figures import summarise
from tapeflow.flows.cli.summary.text import format_summary

__all__ = ["print_summary", "summarise"]


def print_summary(args: Namespace) -> int:
    """Print the summary of the results, as text or with --json as JSON."""
    figures = summarise(args.results)
    print(json.dumps(figures) if args.json else format_summary(figures))
    return 0
