"""The run: its job, starts, versions, digest, and the commands that make it again."""

import json
import shlex
from typing import Any

from tapeflow.flows.report.markup import Column, Html, escape, paragraph, table
from tapeflow.flows.report.section import Section, join
from tapeflow.flows.report.source import Source

RUNS = (
    Column("id", "start", "count", "a run that was stopped and continued has several"),
    Column("command", "command"),
    Column("version", "version", "text", "of Tapeflow"),
    Column("started", "started", "time", "by the wall clock, UTC"),
    Column("committed", "committed", "time", "when facts were last written"),
    Column("end", "end"),
)
STRATEGIES = (
    Column("name", "strategy"),
    Column("kind", "kind"),
    Column("version", "version", "text", "of the state of a class"),
    Column("sha256", "sha256 of its file", "text", "none: it comes with Tapeflow"),
)


def section(source: Source) -> Section:
    """Return how the results were made, and how to make them again."""
    rows = [{**row, "end": end_of(row)} for row in source.runs]
    strategies = json.loads(source.runs[-1]["strategies"] or "[]") if source.runs else []
    job = json.dumps(source.job, indent=1, ensure_ascii=False, sort_keys=True)
    return Section(
        "run",
        "How this was made",
        join(
            table("Starts", RUNS, rows),
            table("Strategies", STRATEGIES, strategies),
            paragraph("The same log with the same job gives the same facts, and their digest:"),
            commands(source),
            Html(f"<details><summary>The whole job</summary><pre>{escape(job)}</pre></details>"),
        ),
    )


def end_of(row: dict[str, Any]) -> str:
    """Return how a start ended."""
    if row["finished"]:
        return f"finished {row['finished'][:19]}"
    return f"stopped {row['stopped'][:19]}" if row["stopped"] else "not known, or it runs"


def commands(source: Source) -> Html:
    """Return the commands to make it again, and to compare the digests."""
    name = shlex.quote(str(source.results))
    made = source.runs[-1]["command"] if source.runs else "replay"
    again = {
        "demo": "tapeflow demo --results again.duckdb",
        "sweep": "tapeflow sweep TAPES --config job.toml --results again.duckdb",
    }.get(made, "tapeflow replay TAPES --config job.toml --results again.duckdb")
    lines = [again, "tapeflow digest again.duckdb", f"tapeflow digest {name}"]
    return Html(f"<pre>{escape(chr(10).join(lines))}</pre>")
