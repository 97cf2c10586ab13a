"""Two runs in one page: figures and their differences, both equities, settings that differ."""

import json
from collections.abc import Iterator
from typing import Any

from tapeflow.flows.report.figure import Line, lines
from tapeflow.flows.report.markup import Column, Html, escape, paragraph, table
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.series import total_equity
from tapeflow.flows.report.source import Rows, Source
from tapeflow.flows.report.statistics import Statistics, text_of, title_of
from tapeflow.flows.report.sums import find_obstacle

TABLES = ("bars", "signals", "decisions", "orders", "fills", "gaps", "late_trades", "dead_letters")


def section(source: Source, other: Source) -> Section:
    """Return the comparison of a run with another one."""
    first, second = name_of(source, other)
    columns = (
        Column("scope", "of"),
        Column("name", "figure"),
        Column("first", first, "exact"),
        Column("second", second, "exact"),
        Column(
            "difference",
            "difference",
            "change",
            f"{first} less {second}; of shares in percentage points",
        ),
    )
    missing = lacking(source, "tearsheet") or lacking(other, "tearsheet")
    rows = counts(source, other) + ([] if missing else statistics(source, other))
    settings = list(differences(settings_of(source), settings_of(other)))
    return Section(
        "compare",
        f"Compared with {escape(other.results.name)}",
        join(
            paragraph(sameness(source, other)),
            both_equities(source, other),
            missing or "",
            table("Figures of both runs", columns, rows),
            table(
                "Settings of the job that differ",
                (Column("name", "setting"), Column("first", first), Column("second", second)),
                settings,
                empty="none, as stored in the results",
            ),
            paragraph(
                "Settings of Kafka and of the metrics page, which change no fact, are left out."
            ),
        ),
    )


def settings_of(source: Source) -> dict[str, Any]:
    """Return the job without what changes no fact."""
    return {name: value for name, value in source.job.items() if name not in {"kafka", "metrics"}}


def name_of(source: Source, other: Source) -> tuple[str, str]:
    """Return names for both: of their files, or their paths where these are equal."""
    names = source.results.name, other.results.name
    return names if names[0] != names[1] else (str(source.results), str(other.results))


def sameness(source: Source, other: Source) -> str:
    """Return whether both have the same facts."""
    if source.digest is None or other.digest is None:
        return "One of them is of a running flow: digests are not compared."
    if source.digest == other.digest:
        return "Both have the same digest: every fact is equal."
    return "Their digests differ: the facts are not the same."


def both_equities(source: Source, other: Source) -> Html:
    """Return the chart of both total equities."""
    first, second = name_of(source, other)
    if obstacle := find_obstacle(source) or find_obstacle(other):
        return paragraph(obstacle)
    series = [
        Line(first, total_equity(source), "accent"),
        Line(second, total_equity(other), "c1", dashed=True),
    ]
    known = [each for each in series if each.points]
    return lines("Equity of both runs", known, height=280) if known else Html("")


def counts(source: Source, other: Source) -> Rows:
    """Return the numbers of rows of both."""
    return [
        {
            "scope": "all",
            "name": name,
            "first": first,
            "second": second,
            "difference": first - second,
        }
        for name in TABLES
        for first, second in [(source.count(name), other.count(name))]
    ]


def statistics(source: Source, other: Source) -> Rows:
    """Return the statistics of both, with the differences of those that both have."""
    first, second = Statistics(source), Statistics(other)
    rows: Rows = []
    keys = dict.fromkeys([*first.values, *second.values])
    for account, strategy, name in keys:
        left, right = (each.value(account, strategy, name) for each in (first, second))
        both = None if left is None or right is None else left - right
        sign = "+" if both is not None and both > 0 else ""
        rows.append(
            {
                "scope": f"{account} / {strategy}" if strategy else account,
                "name": title_of(name),
                "first": Html(text_of(name, left)),
                "second": Html(text_of(name, right)),
                "difference": Html(sign + text_of(name, both)),
            }
        )
    return rows


def differences(first: Any, second: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Yield settings that are not equal, each by its path.

    >>> list(differences({"a": {"b": 1}}, {"a": {"b": 2}}))
    [{'name': 'a.b', 'first': '1', 'second': '2'}]
    """
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted({*first, *second}):
            below = f"{path}.{key}" if path else str(key)
            yield from differences(first.get(key), second.get(key), below)
    elif has_names(first) and has_names(second):
        yield from differences(by_name(first), by_name(second), path)
    elif first != second:
        yield {"name": path, "first": shown(first), "second": shown(second)}


def has_names(value: Any) -> bool:
    """Return whether it is a list of tables with names, such as accounts."""
    return isinstance(value, list) and all(isinstance(x, dict) and "name" in x for x in value)


def by_name(value: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a list of tables by their names."""
    return {str(each["name"]): each for each in value}


def shown(value: Any) -> str:
    """Return a setting as text."""
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(without_none(value), ensure_ascii=False)


def without_none(value: Any) -> Any:
    """Return a setting without the keys that are not set."""
    if isinstance(value, list):
        return [without_none(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: without_none(each) for name, each in value.items() if each not in (None, [], "")}
