"""The settings of the paper venue, and its latencies.

latency of an order = constant + floor(spread * u), u in [0, 1) drawn from its id and what is meant
"""

from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

Model = Literal["trade", "sized", "touch"]
LatencyKind = Literal["entry", "cancel", "answer"]
DRAWS = 2**64


class Latency(Struct, frozen=True):
    """A time on the way: constant, or drawn for each order."""

    constant_ns: int = 0
    spread_ns: int = 0


class PaperRules(Struct, frozen=True):
    """The section [paper] of a job: docs/paper.md 9."""

    model: Model = "sized"
    share: Decimal = Decimal(1)  # part of what a row shows that our orders may take
    slip: int | None = 0  # ticks; None: what the touch does not show waits
    quote_age_ns: int = 60_000_000_000
    patience_ns: int | None = 60_000_000_000  # None: never
    entry: Latency = Latency(250_000_000)
    cancel: Latency = Latency(250_000_000)
    answer: Latency = Latency()

    def latency_ns(self, order_id: str, kind: LatencyKind) -> int:
        """Return how long an order, its cancel or an answer to it is on the way."""
        latency: Latency = getattr(self, kind)
        if not latency.spread_ns:
            return latency.constant_ns
        return latency.constant_ns + int(latency.spread_ns * draw_of(order_id, kind))

    @property
    def longest_ns(self) -> int:
        """Return a time within which every request is at the venue, and answered."""
        latencies = (self.entry, self.cancel, self.answer)
        return sum(each.constant_ns + each.spread_ns for each in latencies)


def draw_of(order_id: str, kind: str) -> Fraction:
    """Return a number in [0, 1) that depends on an order and a word only.

    >>> draw_of("o1", "entry") == draw_of("o1", "entry") != draw_of("o1", "answer")
    True
    """
    digest = blake2b(f"{order_id}\x1f{kind}".encode(), digest_size=8).digest()
    return Fraction(int.from_bytes(digest, "big"), DRAWS)
