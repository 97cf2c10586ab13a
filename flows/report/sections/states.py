"""Trading states on a time line: who halted, reduced or killed what, why, and for how long."""

from tapeflow.flows.report.forms import moment
from tapeflow.flows.report.markup import Column, Html, escape, table
from tapeflow.flows.report.section import Section, join, shown_of
from tapeflow.flows.report.source import Rows, Source

CHANGES_MAX, SCOPES_MAX = 500, 20
COLUMNS = (
    Column("time", "time, UTC", "time"),
    Column("scope", "scope"),
    Column("event", "event"),
    Column("before", "before"),
    Column("state", "state"),
    Column("cause", "cause"),
    Column("rule", "rule", "text", "code of the rule, or id of the command"),
    Column("by", "by"),
    Column("observed", "observed"),
    Column("limit", "limit"),
    Column("detail", "detail"),
    Column("why", "", "text"),
)
# A state holds from its change until the next one of the scope, or the end of the log.
SPANS = """
    WITH log AS (SELECT min(open_time) AS begin, max(log_time) AS end FROM bars)
    SELECT scope, state, epoch_ns(time) AS begin_ns,
        epoch_ns(coalesce(lead(time) OVER (PARTITION BY scope ORDER BY seq),
            greatest(log.end, time))) AS end_ns,
        epoch_ns(log.begin) AS log_begin, epoch_ns(log.end) AS log_end, time, rule
    FROM states, log WHERE event = 'CHANGED' ORDER BY scope, seq
"""


def section(source: Source) -> Section:
    """Return the time line, and the changes."""
    rows = source.rows(f"FROM states ORDER BY seq DESC LIMIT {CHANGES_MAX}")[::-1]
    for row in rows:
        row["why"] = Html(f"<code>tapeflow explain states/{row['seq']}</code>")
    spans = source.rows(SPANS) if rows else []
    return Section(
        "states",
        "Risk states",
        join(
            time_line(spans),
            table("Changes of trading states", COLUMNS, rows, empty="every scope stayed ACTIVE"),
            shown_of(len(rows), source.count("states"), "changes", "states"),
        ),
    )


def time_line(spans: Rows) -> Html:
    """Return one bar a scope, from the begin of the log to its end, coloured by state."""
    scopes = sorted({each["scope"] for each in spans})
    if not scopes:
        return Html("")
    items = "".join(
        f'<li><span class="scope">{escape(scope)}</span>'
        f'<span class="lane">{"".join(map(mark, (s for s in spans if s["scope"] == scope)))}</span>'
        "</li>"
        for scope in scopes[:SCOPES_MAX]
    )
    more = len(scopes) - SCOPES_MAX
    left = f'<p class="warn">{more} more scopes are in the table alone.</p>' if more > 0 else ""
    return Html(f'<ul class="states" aria-label="States over time">{items}</ul>{left}')


def mark(span: dict[str, object]) -> str:
    """Return the part of the time line for which a state held."""
    begin, end, low, high = (int(str(span[name])) for name in KEYS)
    whole = max(1, high - low)
    left = 100 * max(0, begin - low) / whole
    width = max(0.4, 100 * (end - begin) / whole)
    text = f"{span['state']} from {moment(span['time'])} by {span['rule']}"
    return (
        f'<span class="state {escape(str(span["state"]).lower())}" title="{escape(text)}" '
        f'style="left:{left:.3f}%;width:{min(width, 100 - left):.3f}%">'
        f'<span class="hidden">{escape(text)}</span></span>'
    )


KEYS = ("begin_ns", "end_ns", "log_begin", "log_end")
