"""The needs of a strategy, as it writes them: bars of a kind, and features of such bars.

bars@1h    bars:50@1m          kind of bars, and how many of the last ones it reads
rsi:14     macd.signal:12,26,9@1h     feature, output, parameters, kind of bars
"""

import math
import re

from msgspec import Struct

SCORE = "score"  # the need of the z-score that `[normalise]` gives a bar of the job's own width
COUNT_MAX = 100_000  # of the last bars that are read
NAME = re.compile(r"(?P<name>[a-z_][a-z0-9_]*)(\.(?P<output>[a-z_][a-z0-9_]*))?(:(?P<rest>.*))?")


class BarsNeed(Struct, frozen=True):
    """Bars of a kind."""

    kind: str = ""  # "": the job's own width
    count: int = 0  # of the last ones, for each instrument


class FeatureNeed(Struct, frozen=True):
    """A feature of the bars of a kind."""

    text: str  # as it is written: its name in a context and in a batch
    name: str
    output: str = ""  # of a feature with several; "": its first
    params: tuple[float, ...] = ()
    kind: str = ""  # of bars; "": the job's own width


def parse_need(text: str) -> BarsNeed | FeatureNeed:
    """Return what a text asks for.

    Raises ValueError with the text and how it should look.

    >>> parse_need("macd.signal:12,26,9@1h").params
    (12.0, 26.0, 9.0)
    """
    left, _, kind = text.partition("@")
    found = NAME.fullmatch(left)
    if found is None or text.endswith("@"):
        raise ValueError(f"{text!r} is no need: write it as 'rsi:14@1m' or 'bars:50@1h'")
    name, output, rest = found["name"], found["output"] or "", found["rest"]
    try:
        params = tuple(float(each) for each in rest.split(",")) if rest else ()
    except ValueError:
        raise ValueError(f"{text!r}: {rest!r} is no list of numbers, as in 'rsi:14@1m'") from None
    if not all(map(math.isfinite, params)):
        raise ValueError(f"{text!r}: {rest!r} has a number that is not finite")
    if name != "bars":
        return FeatureNeed(text, name, output, params, kind)
    count = params[0] if params else 0.0
    if output or len(params) > 1 or count != int(count) or not 0 <= count <= COUNT_MAX:
        raise ValueError(
            f"{text!r}: write a number of bars up to {COUNT_MAX:,}, as in 'bars:50@1h'"
        )
    return BarsNeed(kind, int(count))
