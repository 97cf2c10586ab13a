"""The head of the page: which run of which job it is, over which log, with which digest."""

from tapeflow.flows.report.forms import moment
from tapeflow.flows.report.markup import Html, escape
from tapeflow.flows.report.source import Source


def header(source: Source) -> Html:
    """Return the head; lines say where the results are no finished answer."""
    last = source.runs[-1] if source.runs else {"version": "", "command": ""}
    begin, end = source.tuples("SELECT min(open_time)::VARCHAR, max(log_time)::VARCHAR FROM bars")[
        0
    ]
    accounts = ", ".join(str(each.get("name")) for each in source.job.get("accounts", []))
    strategies = ", ".join(str(each.get("name")) for each in source.job.get("strategies", []))
    digest = source.digest or "none while the flow runs: the page shows what was committed"
    facts = (
        ("Log", f"{moment(begin)} to {moment(end)} UTC" if begin else "no bars"),
        ("Strategies", strategies or "none"),
        ("Accounts", accounts or "none"),
        ("Made by", f"tapeflow {last['command']}, version {last['version']}"),
        ("Digest", digest),
    )
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts)
    lines = [*source.lines]
    if source.was_live:
        lines.append("The flow runs: the page shows its facts up to when it was made.")
    warnings = "".join(f'<p class="warn">{escape(line)}</p>' for line in lines)
    return Html(
        f'<header><p class="brand">Tapeflow report</p><h1>{escape(source.results.name)}</h1>'
        f"<dl>{items}</dl>{warnings}</header>"
    )
