"""A feature that a job needs: a fold with its parameters, or a class of the user's, of one kind.

needs        macd:12,26,9@1h   macd.hist:12,26,9@1h
computed     macd:12,26,9@1h once, its outputs 0 and 2
"""

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from tapeflow.engine.code_lines import describe_failure
from tapeflow.engine.renumbering import keep_rows
from tapeflow.operators.features.fold import Fold
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.columns import Bools, Floats, Ints
from tapeflow.schemas.errors import StrategyError, TapeflowError
from tapeflow.schemas.feature import Feature
from tapeflow.schemas.market import Bars
from tapeflow.schemas.plain_arrays import encode_array, state_decoder

HEADERS = msgspec.msgpack.Decoder(tuple[str, int])  # source and version; not made by threads


class NeededFold(Struct, frozen=True):
    """A fold over bars of a kind."""

    name: str  # with parameters and kind: its name in a snapshot
    kind: str  # of bars; "": the job's own width
    fold: Fold
    params: dict[str, float]  # all of them
    outputs: dict[str, int]  # by the text of a need: the number of the output

    def initial(self, instruments: int) -> Floats:
        """Return what is kept before the first bar: (instruments, width)."""
        return np.zeros((instruments, self.fold.width(**self.params)))

    def compute(self, known: Floats, bars: Bars, anew: Bools, _: Sequence[Bar]) -> Floats:
        """Return the outputs at each bar: (outputs, bars)."""
        out = np.empty((len(self.fold.outputs), len(bars)))
        columns = [getattr(bars, each) for each in self.fold.columns]
        self.fold.kernel(known, bars.instrument, anew, *columns, out, **self.params)
        return out

    def snapshot(self, known: Floats, numbers: Ints) -> bytes:
        """Return the rows of some instruments."""
        return known[numbers].tobytes()

    def restore(self, known: Floats, numbers: Ints, rows: Any) -> None:
        """Write the rows of a snapshot."""
        known[numbers] = np.frombuffer(rows).reshape(len(numbers), known.shape[1])


class NeededFeature(Struct, frozen=True):
    """A class of the user's over bars of a kind."""

    name: str  # with parameters and kind
    kind: str
    source: str  # as the job names the class
    feature: Feature
    outputs: dict[str, int]  # by the text of a need: 0

    def initial(self, instruments: int) -> list[Any]:
        """Return the state of each instrument before its first bar."""
        known = [self.begin() for _ in range(instruments)]
        kind: Any = type(self.begin())
        try:
            state_decoder(kind)  # made before there are threads
        except TypeError as error:
            raise self.refusal(error) from None
        return known

    def begin(self) -> Any:
        """Return the state of an instrument before its first bar. Raises StrategyError."""
        try:
            return self.feature.start()
        except (Exception, SystemExit) as error:
            raise self.failure("start", error) from error

    def compute(self, known: list[Any], bars: Bars, anew: Bools, values: Sequence[Bar]) -> Floats:
        """Return the feature at each bar: (1, bars); `values` are the bars."""
        out, numbers = np.empty((1, len(bars))), bars.instrument.tolist()
        for row, (number, bar) in enumerate(zip(numbers, values, strict=True)):
            if anew[row]:
                known[number] = self.begin()
            try:
                out[0, row] = check_value(self.feature.on_bar(known[number], bar))
            except (Exception, SystemExit) as error:
                raise self.failure("on_bar", error) from error
        return out

    def failure(self, handler: str, error: BaseException) -> StrategyError:
        """Return the error of a handler; to be raised from `error`."""
        place = describe_failure(type(self.feature), Feature, handler, error)
        return StrategyError(f"{place}, in {handler} of feature {self.name}")

    def snapshot(self, known: list[Any], numbers: Ints) -> tuple[bytes, ...]:
        """Return the states of some instruments. Raises TapeflowError where one can't be stored."""
        encoder = msgspec.msgpack.Encoder(enc_hook=encode_array)
        try:
            header = encoder.encode((self.source, self.feature.version))
            return header, *(encoder.encode(known[number]) for number in numbers.tolist())
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise self.refusal(error) from None

    def restore(self, known: list[Any], numbers: Ints, rows: Any) -> None:
        """Write the states of a snapshot. Raises TapeflowError for another class or version."""
        source, version = HEADERS.decode(rows[0])
        if (source, version) != (self.source, self.feature.version):
            raise TapeflowError(
                f"feature {self.name} is {self.source} of version {self.feature.version}, and its "
                f"state is of {source}, version {version}: give it another name, or start with a "
                "fresh --state"
            )
        kind: Any = type(self.begin())
        try:
            for number, row in zip(numbers.tolist(), rows[1:], strict=True):
                known[number] = state_decoder(kind).decode(row)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise self.refusal(error) from None

    def refusal(self, error: Exception) -> TapeflowError:
        """Return the error of a state that can't be stored, or read."""
        return TapeflowError(
            f"feature {self.name}: its state can't be kept: {error}: it is a msgspec Struct of "
            "plain values, and a new `version` where its fields change"
        )


Needed = NeededFold | NeededFeature
Rows = bytes | tuple[bytes, ...]


def check_value(value: Any) -> float:
    """Return what `on_bar` gave as a number, None as NaN. Raises TypeError for anything else."""
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
        raise TypeError(f"on_bar gave a {type(value).__name__}: return a number, or None")
    return float(value)


def keep_needed(rows: Rows, here: Bools) -> Rows:
    """Return the rows of a snapshot of the instruments that are here."""
    if isinstance(rows, bytes):
        return keep_rows(rows, here)
    return rows[0], *compress(rows[1:], here.tolist())


def kinds_of(needed: Iterable[Needed]) -> dict[str, list[Needed]]:
    """Return features by the kind of their bars."""
    found: dict[str, list[Needed]] = {}
    for each in needed:
        found.setdefault(each.kind, []).append(each)
    return found
