"""The whole page: its sections one after another, in one document that requests nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tapeflow.flows.report import assets
from tapeflow.flows.report.chains import chains
from tapeflow.flows.report.markup import escape
from tapeflow.flows.report.section import Section
from tapeflow.flows.report.sections import (
    compare,
    equity,
    execution,
    exposure,
    market,
    overview,
    profit,
    quality,
    refusals,
    returns,
    run,
    states,
    statistics,
    sweep,
    trips,
)
from tapeflow.flows.report.sections.header import header
from tapeflow.flows.report.source import Source
from tapeflow.schemas.notify import Notify

SECTIONS: tuple[Callable[[Source], Section | None], ...] = (
    overview.section, equity.section, market.section, exposure.section, profit.section,
    trips.section, returns.section, statistics.section, execution.section, refusals.section,
    states.section, quality.section, sweep.section, run.section,
)  # fmt: skip
SCRIPTS = (*assets.CHART_SCRIPTS, "sort.js", "explain.js", "page.js")
STYLES = (*assets.CHART_STYLES, "page.css")
FOOTER = (
    "Charts: TradingView Lightweight Charts™ 5.2.1, Copyright (c) 2026 TradingView, Inc., Apache "
    "License 2.0, "
)
ATTRIBUTION = '<a href="https://www.tradingview.com/" rel="noreferrer">tradingview.com</a>'
PANEL = (
    '<dialog id="why" aria-labelledby="why-title"><div class="head"><h2 id="why-title">Why</h2>'
    '<button type="button" data-close>Close</button></div><div id="why-body"></div></dialog>'
)


def render(results: Path, against: Path | None = None, notify: Notify = lambda _: None) -> str:
    """Return the report of results as one HTML page; the same results give the same bytes.

    `against` are results of another run to compare with. `notify` gets a line where results are
    not a finished answer alone.

    Raises TapeflowError where there are no results, or they cannot be read.
    """
    with ExitStack() as stack:
        source = Source(results, notify)
        stack.callback(source.close)
        other = None
        if against is not None:
            other = Source(against, notify)
            stack.callback(other.close)
        return render_open(source, other)


def render_open(source: Source, other: Source | None = None) -> str:
    """Return the report of results that are open, which stay so."""
    sections = list(sections_of(source))
    if other is not None:
        sections.insert(1, compare.section(source, other))
    return document(source, sections)


def sections_of(source: Source) -> Iterator[Section]:
    """Yield the sections that the results have something for."""
    for make in SECTIONS:
        if (section := make(source)) is not None:
            yield section


def document(source: Source, sections: list[Section]) -> str:
    """Return the page around its sections."""
    title = f"Tapeflow report: {source.results.name}"
    contents = "".join(f'<li><a href="#{each.name}">{each.title}</a></li>' for each in sections)
    body = "\n".join(each.html() for each in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{assets.POLICY}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
{assets.styles(STYLES)}
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
{header(source)}
<nav aria-label="Contents"><ul>{contents}</ul></nav>
<main id="main" tabindex="-1">
<noscript><p class="warn">Scripts are off: charts, sorting and explanations need them. All tables \
are here.</p></noscript>
{body}
</main>
<footer>{escape(FOOTER)}{ATTRIBUTION}</footer>
{PANEL}
{chains(source)}
{assets.scripts(SCRIPTS)}
</body>
</html>
"""
