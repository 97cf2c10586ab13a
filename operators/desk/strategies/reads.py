"""What the strategies of the merge read of bars: their kinds, how many of the last, features."""

from collections.abc import Iterable

from msgspec import Struct

from tapeflow.schemas.needs import BarsNeed, FeatureNeed, parse_need
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.sizing import VolatilityTarget
from tapeflow.schemas.strategy import Strategy


class BarReads(Struct, frozen=True):
    """What the desk is sent of bars."""

    kinds: tuple[str, ...] = ()  # in the order in which they are passed; "": the job's own width
    counts: dict[str, int] = {}  # of the last bars that are kept, by kind
    needs: dict[str, tuple[str, ...]] = {}  # features, by kind


NO_READS = BarReads()


def needs_of(declared: DeclaredStrategy) -> list[BarsNeed | FeatureNeed]:
    """Return what a strategy needs, and what its size does. Raises ValueError for no need."""
    strategy = declared.strategy
    assert isinstance(strategy, Strategy), f"{declared.name} is no strategy of the merge"
    return [parse_need(each) for each in strategy.needs()]


def read_needs(strategies: Iterable[DeclaredStrategy]) -> BarReads:
    """Return what strategies read, from what they need.

    Raises ValueError for a need that is none.
    """
    counts: dict[str, int] = {}
    needs: dict[str, dict[str, None]] = {}
    kinds: set[str] = set()
    for declared in strategies:
        parsed = needs_of(declared)
        if not any(isinstance(each, BarsNeed) for each in parsed):
            kinds.add("")
        if isinstance(declared.sizing, VolatilityTarget):
            parsed.append(parse_need(declared.sizing.need))
        for need in parsed:
            kinds.add(need.kind)
            if isinstance(need, BarsNeed):
                counts[need.kind] = max(counts.get(need.kind, 0), need.count)
            elif isinstance(need, FeatureNeed):
                needs.setdefault(need.kind, {})[need.text] = None
    features = {kind: tuple(texts) for kind, texts in needs.items()}
    return BarReads(tuple(sorted(kinds)), counts, features)
