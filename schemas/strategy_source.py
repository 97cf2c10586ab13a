"""What a strategy was when a state or a result was made: its kind, version, and file."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.signals import DeclaredStrategy

DIGITS = 12  # of a sha256 in a line


class StrategySource(Struct, frozen=True):
    """A strategy of a job, as table `runs` and a snapshot remember it."""

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


def check_sources(was: Iterable[StrategySource], now: Iterable[StrategySource]) -> None:
    """Check that the states of strategies can go on: those of `was` that are still there.

    Raises TapeflowError for the first one of another kind or version.
    """
    for old, new in pairs(was, now):
        for what, before, after in (
            ("kind", old.kind, new.kind),
            ("version", old.version, new.version),
        ):
            if before != after:
                raise TapeflowError(
                    f"the state holds that of strategy {old.name} of {what} {before}, and now it "
                    f"is of {what} {after}: go back, give the strategy another name, or start with "
                    "a fresh --state"
                )


def describe_sources(was: Iterable[StrategySource], now: Iterable[StrategySource]) -> Iterator[str]:
    """Yield a line for each strategy that goes on with its state, and another file.

    Their kinds and versions are equal: `check_sources`.
    """
    for old, new in pairs(was, now):
        if old.sha256 != new.sha256:
            yield (
                f"the file of strategy {new.name} ({new.kind}) has changed under this state, from "
                f"{short(old.sha256)} to {short(new.sha256)}: what was read before keeps what it "
                "has led to"
            )


def pairs(
    was: Iterable[StrategySource], now: Iterable[StrategySource]
) -> Iterator[tuple[StrategySource, StrategySource]]:
    """Yield the strategies that are in both lists, in the order of the second."""
    before = {each.name: each for each in was}
    return ((before[each.name], each) for each in now if each.name in before)


def short(sha256: str) -> str:
    """Return the first digits of a sha256."""
    return sha256[:DIGITS] or "that of the package"
