"""The meanings of tables and columns, read from the comments of their types.

tick: Decimal  # smallest step of a price     ->  {"tick": "smallest step of a price"}

The results file has them as comments of its own, docs/reference/tables.md as text.
"""

import ast
import inspect
import textwrap
import tokenize
from functools import cache
from io import StringIO

from msgspec import Struct

from tapeflow.schemas.tables import columns

SHARED = {  # columns that mean the same wherever they stand without a comment of their own
    "instrument": "id of the instrument, `BASE-QUOTE[-PERP].VENUE`",
    "venue": "the venue's name in capitals",
    "partition": "partition of the log, `<venue>-<n>`",
    "offset": "number of the record in its partition, of the frame where frames are packed",
    "log_time": "when the record entered the log",
    "event_time": "when it happened at the venue",
    "time": "log time",
    "trade_id": "the venue's number of the trade",
    "account": "name of the account",
    "strategy": "name of the strategy",
    "seq": "running number over all facts of the account",
    "side": "`BUY` or `SELL`",
    "size": "in base currency, or contracts where the instrument has a multiplier",
    "price": "in quote currency",
    "ref_price": "close of the bar that caused it",
    "id": "the same in every run",
    "order_id": "id of the order",
    "signal_id": "id of the signal",
    "fill_id": "id of the fill",
    "realized": "profit of all that was closed, before fees",
    "unrealized": "profit of what is open, at the mark",
    "fees": "fees paid so far",
    "type": "market, limit, stop, stop_limit, take_profit, take_profit_limit or trailing",
    "limit": "worst price at which it may be filled",
    "trigger": "price at which a conditional order is triggered",
    "trigger_on": "trade, quote or mark: the price that triggers it",
    "trail": "distance of a trailing stop from the best price",
    "trail_unit": "price, bps or ticks",
    "activate": "price at which a trailing stop begins; NULL: at once",
    "tif": "time in force: GTC, IOC, FOK, GTD or DAY",
    "expire_time": "end of a GTD order, in log time",
    "post_only": "refused where it would take",
    "reduce_only": "each fill is clipped to what is left of the position",
}


def summarise(documented: type) -> str:
    """Return the docstring of a type, each paragraph as one line."""
    text = documented.__doc__ or ""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def column_meanings(fact: type) -> dict[str, str]:
    """Return what the columns of the table of a type mean, by column; "" where it is not known."""
    comments: dict[str, str] = {}
    for each in reversed(fact.__mro__):  # the fields of a type are those of its bases too
        if issubclass(each, Struct) and each is not Struct:
            comments |= field_comments(each)
    return {
        column.name: comments[column.field] or SHARED.get(column.name, "")
        for column in columns(fact)
    }


@cache
def field_comments(documented: type) -> dict[str, str]:
    """Return the comment at the end of each field's line, by field; "" where there is none.

    All are "" where the source code is not installed.
    """
    try:
        source = textwrap.dedent(inspect.getsource(documented))
    except OSError:
        return dict.fromkeys(documented.__annotations__, "")
    by_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (body,) = ast.parse(source).body
    return {
        node.target.id: by_line.get(node.end_lineno or node.lineno, "")
        for node in getattr(body, "body", ())
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
