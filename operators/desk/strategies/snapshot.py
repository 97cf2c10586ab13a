"""The snapshot of the strategies of the merge: their states as msgpack, what they wait for, bars.

    dip    state ── msgpack of its Struct ──▶ bytes     with kind, version and sha256 of its file

A state of another kind or version is refused: nobody knows what it means. Arrays of float64 and
int64 are stored as their bytes.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import DeskBar
from tapeflow.operators.desk.strategies.history import History
from tapeflow.operators.desk.strategies.running import Running, Strategies, begin_state
from tapeflow.operators.desk.strategies.trades import ClosedTrades
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import Bars
from tapeflow.schemas.plain_arrays import encode_array, state_decoder
from tapeflow.schemas.strategy import WatchPrice


class RunningSnapshot(Struct):
    """The plain form of a strategy at work."""

    name: str
    kind: str
    version: int
    source_sha256: str
    state: bytes
    calls: int
    watches: list[WatchPrice]
    timers: dict[str, int]
    trades: ClosedTrades


class StrategiesSnapshot(Struct):
    """The plain form of the strategies of the merge."""

    running: list[RunningSnapshot] = []
    features: dict[str, dict[str, float]] = {}  # by need, then instrument
    histories: list[tuple[str, str, list[bytes]]] = []  # kind, instrument, columns of Bars
    needs: dict[str, tuple[str, ...]] = {}  # features of bars that are not passed yet, by kind
    signals: dict[str, dict[int, int]] = {}  # by partition and minute


def snapshot_strategies(strategies: Strategies, instruments: InstrumentTable) -> StrategiesSnapshot:
    """Return the plain form of the strategies."""
    assert not strategies.calls, "the desk is in the middle of a step"
    memory = strategies.memory
    return StrategiesSnapshot(
        running=[snapshot_running(each) for each in strategies.running.values()],
        features={
            need: {
                instruments.ids[number]: float(values[number])
                for number in np.flatnonzero(~np.isnan(values)).tolist()
            }
            for need, values in memory.features.items()
        },
        histories=[
            (*key, [column.tobytes() for column in history.bars(history.count).arrays()])
            for key, history in memory.histories.items()
        ],
        needs=memory.reads.needs,
        signals=strategies.signals.minutes,
    )


def snapshot_running(running: Running) -> RunningSnapshot:
    """Return the plain form of a strategy at work."""
    declared = running.declared
    return RunningSnapshot(
        name=declared.name,
        kind=declared.kind,
        version=running.strategy.version,
        source_sha256=declared.source_sha256,
        state=encode_state(running),
        calls=running.calls,
        watches=[*running.watches.values()],
        timers=running.timers,
        trades=running.trades,
    )


def restore_strategies(
    strategies: Strategies, saved: StrategiesSnapshot, instruments: InstrumentTable
) -> None:
    """Restore the strategies of a snapshot; one that is new to the job begins.

    Raises TapeflowError for a state of another kind or version.
    """
    for each in saved.running:
        running = strategies.running.get(each.name)
        if running is not None:
            restore_running(strategies, running, each, instruments)
    memory, strategies.signals.minutes = strategies.memory, saved.signals
    for need, values in saved.features.items():
        for instrument, value in values.items():
            if need in memory.features and instrument in instruments.number:
                memory.features[need][instruments.number[instrument]] = value
    for kind, instrument, columns in saved.histories:
        count = memory.reads.counts.get(kind, 0)
        if count and instrument in instruments.number:
            history = memory.histories[kind, instrument] = History.empty(count)
            dtypes = Bars.dtypes().values()
            history.fill(
                Bars(*(np.frombuffer(*each) for each in zip(columns, dtypes, strict=True))),
                instruments.number[instrument],
            )


def waiting_bars(
    bars: Iterable[DeskBar], needs_before: Mapping[str, tuple[str, ...]], settings: DeskSettings
) -> Iterator[DeskBar]:
    """Yield the bars that are not passed yet, with the features that are needed now."""
    for bar in bars:
        if bar.bar.instrument in settings.instruments.number:
            before = needs_before.get(bar.kind, ())
            values = dict(zip(before, bar.features, strict=True))
            needs = settings.reads.needs.get(bar.kind, ())
            yield bar._replace(features=tuple(values.get(need, math.nan) for need in needs))


def watched_instruments(strategies: Strategies, table: InstrumentTable) -> set[int]:
    """Return the numbers of the instruments of which a strategy watches the price."""
    watches = (each.watches for each in strategies.running.values())
    return {table.number[instrument] for instrument, _ in chain.from_iterable(watches)}


def restore_running(
    strategies: Strategies, running: Running, saved: RunningSnapshot, table: InstrumentTable
) -> None:
    """Restore a strategy at work."""
    declared, version = running.declared, running.strategy.version
    if (saved.kind, saved.version) != (declared.kind, version):
        raise TapeflowError(
            f"strategy {declared.name} is {declared.kind} of version {version}, and its state is "
            f"of {saved.kind}, version {saved.version}: give it another name, or start with a "
            "fresh --state"
        )
    running.state, running.calls = decode_state(running, saved.state), saved.calls
    if running.trades.count and saved.trades.count:  # else the size did not follow them
        running.trades = replace(saved.trades, count=running.trades.count)
    for watch in saved.watches:
        if watch.instrument in table.number:
            strategies.set_watch(running, watch)
    for name, due_ns in saved.timers.items():
        strategies.set_timer(running, name, due_ns)


def encode_state(running: Running) -> bytes:
    """Return the state of a strategy as msgpack.

    Raises TapeflowError where it holds what cannot be stored.
    """
    try:
        return msgspec.msgpack.encode(running.state, enc_hook=encode_array)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise refusal(running, error) from None


def decode_state(running: Running, encoded: bytes) -> Any:
    """Return the state of its msgpack, of the class that `start` returns.

    Raises TapeflowError where its fields have changed and its version has not.
    """
    kind: Any = type(begin_state(running.declared))
    try:
        return state_decoder(kind).decode(encoded)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise refusal(running, error) from None


def refusal(running: Running, error: Exception) -> TapeflowError:
    """Return the error of a state that can't be stored, or read."""
    return TapeflowError(
        f"strategy {running.declared.name}: its state can't be kept: {error}: it is a msgspec "
        "Struct of plain values, and a new `version` where its fields change"
    )
