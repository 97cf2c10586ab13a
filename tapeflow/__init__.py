"""Raw ticks in, fills out, and the whole history is a query.

A strategy in a file of your own imports what it uses from here, and from nowhere else:

    from tapeflow import BUY, Strategy, Submit

A notebook opens results with `tapeflow.open("results.duckdb")`.

The rooms of this package are the folders of the same name in the checkout: here stand links to
them, so that they are imported as `tapeflow.schemas`, `tapeflow.operators`, ... wherever it is
installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tapeflow.flows.notebook.results import Results
    from tapeflow.schemas.accounts import Decision
    from tapeflow.schemas.bar import Bar
    from tapeflow.schemas.context import Context, OpenOrder
    from tapeflow.schemas.cross_section import z_scores
    from tapeflow.schemas.feature import Feature
    from tapeflow.schemas.instruments import Instrument
    from tapeflow.schemas.market import Bars
    from tapeflow.schemas.order_events import OrderEvent
    from tapeflow.schemas.orders import Fill, Terms
    from tapeflow.schemas.sides import BUY, SELL, Side
    from tapeflow.schemas.signals import Leg, Slicing
    from tapeflow.schemas.strategy import (
        AmendOrder,
        CancelAll,
        CancelOrder,
        Close,
        PriceEvent,
        Request,
        Requests,
        SetTimer,
        Strategy,
        Submit,
        Target,
        TimerEvent,
        WatchPrice,
    )
    from tapeflow.schemas.time import Ns

MODULES = {  # of tapeflow.schemas: imported when a name is used, for most commands use none
    "accounts": ("Decision",),
    "bar": ("Bar",),
    "context": ("Context", "OpenOrder"),
    "cross_section": ("z_scores",),
    "feature": ("Feature",),
    "instruments": ("Instrument",),
    "market": ("Bars",),
    "order_events": ("OrderEvent",),
    "orders": ("Fill", "Terms"),
    "sides": ("BUY", "SELL", "Side"),
    "signals": ("Leg", "Slicing"),
    "strategy": (
        *("Strategy", "Request", "Requests", "Target", "Submit", "Close"),
        *("CancelOrder", "CancelAll", "AmendOrder", "WatchPrice", "SetTimer"),
        *("PriceEvent", "TimerEvent"),
    ),
    "time": ("Ns",),
}
MODULE_OF = {name: module for module, names in MODULES.items() for name in names}

__all__ = [
    "BUY",
    "SELL",
    "AmendOrder",
    "Bar",
    "Bars",
    "CancelAll",
    "CancelOrder",
    "Close",
    "Context",
    "Decision",
    "Feature",
    "Fill",
    "Instrument",
    "Leg",
    "Ns",
    "OpenOrder",
    "OrderEvent",
    "PriceEvent",
    "Request",
    "Requests",
    "SetTimer",
    "Side",
    "Slicing",
    "Strategy",
    "Submit",
    "Target",
    "Terms",
    "TimerEvent",
    "WatchPrice",
    "z_scores",
]


def open(path: "str | Path" = "results.duckdb") -> "Results":  # noqa: A001  # as in tapeflow.open
    """Open results for reading: of a finished file, a partial one, or a flow that runs.

    Raises TapeflowError where there are none, or they cannot be read.
    """
    module = import_module("tapeflow.flows.notebook.results")
    opened: Results = module.Results(path)
    return opened


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in MODULE_OF:
        raise AttributeError(f"module 'tapeflow' has no attribute {name!r}")
    return getattr(import_module(f"tapeflow.schemas.{MODULE_OF[name]}"), name)
