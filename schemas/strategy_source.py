"""The source of a strategy when results were made: its kind, version, and file."""

from collections.abc import Iterable

from msgspec import Struct

from tapeflow.schemas.signals import DeclaredStrategy


class StrategySource(Struct, frozen=True):
    """A strategy of a job, as table `runs` remembers it."""

    name: str
    kind: str  # as the job writes it
    version: int | None = None  # of the state of its class; None: a kernel
    sha256: str = ""  # of the file of its class; "": it comes with the package


def find_sources(declared: Iterable[DeclaredStrategy]) -> tuple[StrategySource, ...]:
    """Return what the strategies of a job are, by name."""
    return tuple(
        StrategySource(
            each.name,
            each.kind,
            None if each.strategy is None else each.strategy.version,
            each.source_sha256,
        )
        for each in sorted(declared, key=lambda strategy: strategy.name.encode())
    )
