"""Charts of the report over results that are open, each as a page of its own."""

from collections.abc import Sequence

from tapeflow.connectors.duckdb.relations import Relations
from tapeflow.flows.notebook.source import OpenSource
from tapeflow.flows.report import chart
from tapeflow.flows.report.render import render_open
from tapeflow.schemas.errors import TapeflowError


def equity(relations: Relations, height_px: int) -> str:
    """Return the page of equity and drawdown."""
    fragment = chart.equity_chart(OpenSource(relations), height=height_px)
    return chart.standalone(fragment, title="Equity")


def candles(relations: Relations, instruments: Sequence[str], height_px: int) -> str:
    """Return the page of candles of these instruments, or of all.

    Raises TapeflowError where an instrument has no bars.
    """
    source = OpenSource(relations)
    known = [name for (name,) in source.tuples("SELECT DISTINCT instrument FROM bars ORDER BY 1")]
    for name in instruments:
        if name not in known:
            raise TapeflowError(f"{name} has no bars; those with bars: {', '.join(known)}")
    fragment = chart.candle_chart(source, *instruments, height=height_px)
    return chart.standalone(fragment, title="Candles")


def exposure(relations: Relations, account: str, height_px: int) -> str:
    """Return the page of an account's notional.

    Raises TapeflowError where the account has no fills, or the file no view of exposure.
    """
    source = OpenSource(relations)
    if "exposure" not in source.names:
        raise TapeflowError(
            f"{relations.results} holds no view exposure: an earlier version made it, replay again"
        )
    known = [name for (name,) in source.tuples("SELECT DISTINCT account FROM fills ORDER BY 1")]
    if account not in known:
        raise TapeflowError(f"{account} has no fills; accounts with fills: {', '.join(known)}")
    fragment = chart.exposure_chart(source, account, height=height_px)
    return chart.standalone(fragment, title=f"Exposure of {account}")


def report(relations: Relations) -> str:
    """Return the whole report."""
    return render_open(OpenSource(relations))
