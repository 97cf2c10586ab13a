"""Titles of what is made of frames: bars, trades, quotes, gaps, late trades, dead letters."""

from collections.abc import Callable, Iterator

from tapeflow.flows.explain.node import Row
from tapeflow.flows.explain.values import number

PRICES = ("open", "high", "low", "close", "volume", "vwap")
OF_QUOTES = ("open", "high", "low", "close", "vwap", "spread", "imbalance", "microprice")


def bar_title(row: Row) -> str:
    """Return the span of a bar."""
    kind = f"{row['kind']}, " if row.get("kind") else ""
    return f"{kind}{row['open_time']} to {row['close_time']}"


def bar_body(row: Row) -> Iterator[str]:
    """Yield prices and volume of a bar, and whether trades may be missing."""
    is_of_quotes = (row.get("kind") or "").startswith("quote:")
    names = OF_QUOTES if is_of_quotes else PRICES
    prices = "  ".join(f"{name} {number(row[name])}" for name in names if row[name] is not None)
    yield f"{prices}  {'quotes' if is_of_quotes else 'trades'} {row['count']}"
    yield "complete" if row["complete"] else "not complete"


def span_of(row: Row) -> str:
    """Return a range of records."""
    return f"{row['partition']} from {row['first_offset']} to {row['last_offset']}"


def trades_title(row: Row) -> str:
    """Return of how many records the trades of a bar come, and whether they are all of it."""
    if "records" not in row:
        return f"{row['count']} in {span_of(row)}"
    found = f"{row['trades']} in {row['records']} records of {span_of(row)}, their sizes sum to "
    found += row["sum"]
    if row["exact"]:
        return f"{found}: the volume of the bar"
    if row["whole"]:
        parts = "the rest of its first and last record is in the bars around it"
        return f"{found}: the bar has {number(row['volume'])}, {parts}"
    return f"{found}, but the bar has {row['count']} of volume {number(row['volume'])}"


def quotes_title(row: Row) -> str:
    """Return of how many records the quotes of a bar come, and whether they give its values."""
    if "records" not in row:
        return f"{row['count']} in {span_of(row)}"
    found = f"{row['records']} records of {span_of(row)}"
    if row["made_again"] is None:
        return f"{found}; the bar was not made again from them, as no record after it closes it"
    if row["whole"]:
        return f"{found}; made again from the log, the bar has the same values"
    made = ", ".join(f"{name} {row['made_again'][name]:.9g}" for name in row["different"])
    return f"{found}, but made again from the log it has {made}"


def sides_title(row: Row) -> str:
    """Return whether the trades on both sides of a gap are there, and none between."""
    what = "the trades on both sides"
    if "records" not in row:
        return f"{what}, in {span_of(row)}"
    if row["whole"]:
        return f"{what}: {row['absent']} between them are not in {span_of(row)}"
    return (
        f"{what}: {row['records']} of 2 are in {span_of(row)}, and {row['absent']} ids between "
        f"them are not there, where the gap has {row['missing']}"
    )


def marks_title(row: Row) -> str:
    """Return whether the mark prices of a payment are there."""
    what = "the mark price before it, and the one that says that it is over"
    if "records" not in row:
        return what
    if row["whole"]:
        return f"{what}: mark and rate are those of the payment"
    return f"{what}: {row['records']} of 2 are in {span_of(row)}, or have other values"


def letter_title(row: Row) -> str:
    """Return why a frame could not be read."""
    return f"{row['reason']}; {row['length']} bytes, {row['log_time']}"


def letter_body(row: Row) -> Iterator[str]:
    """Yield where the fault is."""
    if row["fault"]:
        yield row["fault"]


def gap_title(row: Row) -> str:
    """Return what is missing."""
    if row["instrument"] is None:
        return f"no record from {row['before_time']} to {row['after_time']}"
    if not row["missing"]:
        return f"{row['instrument']} is numbered anew, from {row['first_id']} to {row['last_id']}"
    ids = f"{row['first_id']} to {row['last_id']}"
    if row["missing"] == 1:
        ids = str(row["first_id"])
    if row["missing"] == 1:
        return f"a trade of {row['instrument']} is missing: {ids}"
    return f"{row['missing']} trades of {row['instrument']} are missing: {ids}"


def gap_body(row: Row) -> Iterator[str]:
    """Yield when they happened."""
    if row["instrument"] is not None:
        yield f"between {row['before_time']} and {row['after_time']}, found {row['log_time']}"


def late_title(row: Row) -> str:
    """Return what was traded, and when it came."""
    what = f"{row['aggressor']} {number(row['size'])} {row['instrument']} at {number(row['price'])}"
    return f"{what}, of {row['event_time']}, came {row['log_time']}"


def unlisted_title(row: Row) -> str:
    """Return which symbol is not in the job, and how often it came."""
    span = f"{row['first_log_time']} to {row['last_log_time']}"
    return f"{row['symbol']} is not in the job: {row['records']} records, {span}"


SPANS: dict[str, Callable[[Row], str]] = {  # shown without an id
    "trades": trades_title, "quotes": quotes_title, "sides": sides_title, "marks": marks_title,
}  # fmt: skip
TITLES: dict[str, Callable[[Row], str]] = {
    "bar": bar_title, "dead letter": letter_title, "gap": gap_title, "late trade": late_title,
    "unlisted": unlisted_title,
}  # fmt: skip
BODIES: dict[str, Callable[[Row], Iterator[str]]] = {
    "bar": bar_body, "dead letter": letter_body, "gap": gap_body,
}  # fmt: skip
