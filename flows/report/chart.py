"""The charts of the report, each as a fragment of HTML: from results that are open.

source = Source(Path("results.duckdb"))
page = standalone(equity_chart(source))      # of its own, also for <iframe srcdoc>
"""

from tapeflow.flows.report import assets
from tapeflow.flows.report.candles import candles
from tapeflow.flows.report.figure import Level, Line, lines
from tapeflow.flows.report.markup import Html, escape
from tapeflow.flows.report.series import buy_and_hold, capital, drawdown, equity_of, total_equity
from tapeflow.flows.report.source import Source
from tapeflow.flows.report.sums import find_obstacle

COLOURS = tuple(f"c{index}" for index in range(8))
STRATEGIES_MAX = 8  # lines of one chart

__all__ = ["candle_chart", "equity_chart", "exposure_chart", "standalone"]


def equity_chart(source: Source, *, height: int = 400) -> Html:
    """Return equity in total, of each strategy, against buy-and-hold, and the drawdown below.

    Of strategies that are not added up only their own lines.
    """
    total = total_equity(source)
    if not total:
        return Html('<p class="empty">No equity is stored: nothing was traded.</p>')
    is_summed = not find_obstacle(source)
    series = [Line("total", total, "accent", "area")] if is_summed else []
    strategies = list(equity_of(source))
    if len(strategies) > 1 or not is_summed:
        series += [
            Line(name, points, COLOURS[(index + 1) % len(COLOURS)])
            for index, (name, points) in enumerate(strategies[:STRATEGIES_MAX])
        ]
    if not is_summed:
        return lines("Equity of each strategy", series, height=height)
    invested, _ = capital(source)
    if invested is not None:
        held = buy_and_hold(source, invested)
        series.append(Line("buy and hold", held, "muted", dashed=True))
    series.append(Line("drawdown", drawdown(total), "down", "baseline", pane=1))
    return lines("Equity, and the drawdown below it", series, height=height)


def candle_chart(source: Source, *names: str, height: int = 440) -> Html:
    """Return candles of these instruments, or of all, with fills, signals and stops."""
    return candles(source, list(names) or None, height=height)


def exposure_chart(source: Source, account: str, *, height: int = 260) -> Html:
    """Return long, short, gross and net notional of an account, with the limits of its job."""
    from tapeflow.flows.report.exposure import exposure_lines, limits_of  # noqa: PLC0415  # circle

    levels = [Level(name, value) for name, value in limits_of(source, account)]
    series = exposure_lines(source, account)
    return lines(f"Exposure of account {account}", series, levels, height=height)


def standalone(*fragments: Html, title: str = "Tapeflow chart") -> str:
    """Return a page of its own that holds these charts, with all that draws them."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{assets.POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title>{assets.styles(assets.CHART_STYLES)}</head><body>"
        f"{''.join(fragments)}{assets.scripts(assets.CHART_SCRIPTS)}"
        "<script>Charts.drawAll()</script></body></html>\n"
    )
