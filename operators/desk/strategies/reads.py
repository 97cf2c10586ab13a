"""The bars and features that strategies of the merge read: kinds, how many of the last, needs."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.schemas.needs import BarsNeed, FeatureNeed, parse_need
from tapeflow.schemas.signals import DeclaredStrategy

Need = BarsNeed | FeatureNeed


class BarReads(Struct, frozen=True):
    """The bars and features that the desk receives."""

    kinds: tuple[str, ...] = ()  # in the order in which they are passed; "": the job's own width
    counts: dict[str, int] = {}  # of the last bars that are kept, by kind
    needs: dict[str, tuple[str, ...]] = {}  # features, by kind
    own: frozenset[str] = frozenset()  # names of the job's own width, as 60s and 1m


NO_READS = BarReads()


def parse_needs(texts: Iterable[str], own: frozenset[str]) -> list[Need]:
    """Return needs; those of a name of the job's own width are of the kind "".

    Raises ValueError for a text that is no need.
    """
    needs = map(parse_need, texts)
    return [replace(each, kind="") if each.kind in own else each for each in needs]


class OwnReads(Struct, frozen=True):
    """The bars and features of one strategy's needs: its context shows no others."""

    kinds: frozenset[str]  # of bars with which it is called
    counts: dict[str, int]  # of the last bars, by kind
    features: frozenset[str]  # as it writes them


def own_reads(declared: DeclaredStrategy, own: frozenset[str]) -> OwnReads:
    """Return what a strategy reads; it is called with the job's own bars if it names none."""
    counts: dict[str, int] = {}
    features: set[str] = set()
    for need in parse_needs(declared.strategy.needs(), own):
        if isinstance(need, BarsNeed):
            counts[need.kind] = max(counts.get(need.kind, 0), need.count)
        else:
            features.add(need.text)
    return OwnReads(frozenset(counts) or frozenset({""}), counts, frozenset(features))


def read_needs(strategies: Iterable[DeclaredStrategy], own: frozenset[str]) -> BarReads:
    """Return what strategies read, from what they need; `own` are names of the job's own width.

    Raises ValueError for a text that is no need.
    """
    counts: dict[str, int] = {}
    features: dict[str, dict[str, None]] = {}
    kinds: set[str] = set()
    for declared in strategies:
        kinds |= own_reads(declared, own).kinds
        for need in parse_needs(declared.needs, own):
            kinds.add(need.kind)
            if isinstance(need, BarsNeed):
                counts[need.kind] = max(counts.get(need.kind, 0), need.count)
            else:
                features.setdefault(need.kind, {})[need.text] = None
    needs: Mapping[str, tuple[str, ...]] = {kind: tuple(each) for kind, each in features.items()}
    return BarReads(tuple(sorted(kinds)), counts, dict(needs), own)
