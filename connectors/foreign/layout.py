"""The columns of a foreign file, by the fields of our frames.

columns that were named    price=px,size=qty,time=ts
else the file's own names  trade_id, price, size, side, time        (NAMES)
else their number          2,61837.63,0.02,1236.7,1723161255342,True  (POSITIONS, of Binance)
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tapeflow.schemas.errors import UsageError

NAMES = {  # our field: the names it has elsewhere, in small letters and digits alone
    "id": ("id", "tradeid", "aggid", "aggtradeid", "tid"),
    "price": ("price", "px"),
    "size": ("size", "qty", "quantity", "amount"),
    "side": ("side", "takerside", "aggressor", "aggressorside"),
    "maker_side": ("makerside",),
    "is_buyer_maker": ("isbuyermaker", "buyermaker", "isbuyerthemaker"),
    "first": ("firstid", "firsttradeid"),
    "last": ("lastid", "lasttradeid"),
    "bid": ("bestbidprice", "bidprice", "bestbid", "bid"),
    "bid_size": ("bestbidqty", "bestbidsize", "bidqty", "bidsize", "bidamount"),
    "ask": ("bestaskprice", "askprice", "bestask", "ask"),
    "ask_size": ("bestaskqty", "bestasksize", "askqty", "asksize", "askamount"),
    "time": (
        "time", "transacttime", "transactiontime", "tradetime", "eventtime", "exchangetime",
        "timestamp", "ts", "date", "datetime",
    ),
    "received": (
        "received", "receivetime", "receivedtime", "receivedat", "recvtime", "recvts",
        "receivets", "receivedts", "localtime", "localtimestamp", "localts",
    ),
    "symbol": ("symbol", "productid", "instrument", "market", "pair"),
    "frame": ("frame", "data", "raw", "message", "msg", "payload"),
}  # fmt: skip
NAMES_SHOWN = 300  # characters of the names of columns in a message
BARS = {"open", "high", "low", "close"}  # names of a file of bars
COINBASE = {"trade_id", "price", "size", "side", "time"}  # whose side is the maker's
SIDES = ("side", "maker_side", "is_buyer_maker")
REQUIRED = {  # by kind of rows
    "frame": ("frame", "received"),
    "quote": ("bid", "ask", "time"),
    "trade": ("id", "price", "size", "side", "time"),
    "aggTrade": ("id", "price", "size", "side", "first", "last", "time"),
}


class Position(NamedTuple):
    """A file of Binance without a header: its venue, and the fields by column."""

    venue: str
    fields: tuple[str, ...]  # "": of no use


POSITIONS = {  # by the kind in the file's name and the number of columns
    ("trades", 7): Position("binance", ("id", "price", "size", "", "time", "is_buyer_maker", "")),
    ("trades", 6): Position("binance-usdm", ("id", "price", "size", "", "time", "is_buyer_maker")),
    ("aggTrades", 8): Position(
        "binance", ("id", "price", "size", "first", "last", "time", "is_buyer_maker", "")
    ),
    ("aggTrades", 7): Position(
        "binance-usdm", ("id", "price", "size", "first", "last", "time", "is_buyer_maker")
    ),
    ("bookTicker", 7): Position(
        "binance-usdm", ("", "bid", "bid_size", "ask", "ask_size", "time", "")
    ),
}


class Layout(NamedTuple):
    """The column of each field, by number, and what its rows are."""

    kind: str  # frame, quote, trade or aggTrade
    columns: dict[str, int]
    by_maker: bool = False  # the column `side` holds the maker's side


def find_layout(
    names: Sequence[str],
    chosen: Mapping[str, str],
    positions: Sequence[str] = (),
    *,
    maker: bool | None = None,
    numbered: bool = False,
) -> Layout:
    """Return the layout of a file with columns of these names; "" where it has no header.

    `chosen` columns by field, named or numbered from 1 on, go before `positions`, the fields of a
    file without a header, and those before the names that we know. `maker`: whether its sides are
    the maker's; None: those of Coinbase's own names are. `numbered`: trades get ids of ours.

    Raises UsageError where a column is missing, or cannot be known.
    """
    columns = {field: column_number(names, field, name) for field, name in chosen.items()}
    if any(names):
        found = columns_by_name(names)
        for field, number in found.items():
            taken = number in columns.values() or (field in SIDES and set(SIDES) & set(columns))
            if not taken:
                columns.setdefault(field, number)
    else:
        columns = {name: at for at, name in enumerate(positions) if name} | columns
    if numbered:
        columns.pop("id", None)
    by_maker = set(names) >= COINBASE and "side" not in chosen if maker is None else maker
    kind = kind_of(columns)
    if kind == "frame" and "received" not in columns and "time" in columns:
        columns["received"] = columns.pop("time")  # it is no field of the frame
    check_columns(kind, columns, names, numbered=numbered)
    return Layout(kind, {field: columns[field] for field in fields_of(kind, columns)}, by_maker)


def simplify(name: str) -> str:
    """Return a name in small letters and digits alone.

    >>> simplify("is_buyerMaker")
    'isbuyermaker'
    """
    return "".join(filter(str.isalnum, name)).lower()


def columns_by_name(names: Sequence[str]) -> dict[str, int]:
    """Return the column of each field whose name we know; of two names the one we list first."""
    simple = [simplify(name) for name in names]
    return {
        field: simple.index(found[0])
        for field, known in NAMES.items()
        if (found := [each for each in known if each in simple])
    }


def column_number(names: Sequence[str], field: str, name: str) -> int:
    """Return the number of a column that was chosen; UsageError where there is none."""
    if name in names:
        return names.index(name)
    if name.isdecimal() and 1 <= int(name) <= len(names):
        return int(name) - 1
    there = ", ".join(names) if any(names) else f"{len(names)} without a name, from 1 on"
    raise UsageError(f"no column {name} for {field}: there are {there}")


def kind_of(columns: Mapping[str, int]) -> str:
    """Return what the rows of a file with these fields are."""
    if "frame" in columns and "price" not in columns and "bid" not in columns:
        return "frame"
    if "bid" in columns and "price" not in columns:
        return "quote"
    return "aggTrade" if {"first", "last"} <= columns.keys() else "trade"


def check_columns(
    kind: str, columns: Mapping[str, int], names: Sequence[str], *, numbered: bool
) -> None:
    """Check that a kind of rows has the columns it needs. Raises UsageError otherwise."""
    there = {"side" if field in SIDES else field for field in columns}
    there |= {"id"} if numbered else set()
    if kind == "quote" and "received" in there:
        there.add("time")  # a quote may have none
    missing = [field for field in REQUIRED[kind] if field not in there]
    if not missing:
        return
    if {simplify(name) for name in names} >= BARS:
        raise UsageError(
            "it holds bars, of which no trades can be made: import a dump of trades or aggTrades"
        )
    if not any(names) and not columns:
        raise UsageError(
            f"it has {len(names)} columns without names: number them: --columns price=2,size=3,.."
        )
    has = ", ".join(filter(None, names))[:NAMES_SHOWN] or f"{len(names)} columns without a name"
    wanted = ",".join(f"{field}=NAME" for field in missing)
    line = f"which column is its {', '.join(missing)}? It has {has}: say it with --columns {wanted}"
    if missing == ["id"]:
        line += "; or count the trades with --first-id 1"
    raise UsageError(line)


def fields_of(kind: str, columns: Mapping[str, int]) -> list[str]:
    """Return the fields that are read of rows of this kind, of those that there are."""
    of_kind = {*REQUIRED[kind], "received", "symbol"}
    of_kind |= {"bid_size", "ask_size"} if kind == "quote" else set()
    side = next((each for each in reversed(SIDES) if each in columns), "")
    return [each for each in columns if each == side or (each in of_kind and each not in SIDES)]
