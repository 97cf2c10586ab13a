"""Ids and stamps of one partition: trades that are ahead, that are missing, and pauses of the log.

    ids 7 8 9 13 11      missing [10..12], then [10] [12]; a minute of event time after: gaps

Ranges of ids are kept in plain lists; all numbers are whole and unbounded.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bench.simulation.bounds import bar_bounds
from bench.simulation.case import TradeRow
from bench.simulation.facts import Place
from bench.simulation.numbers import MINUTE_NS, is_in_range, limit_of, ns_of

JUMP_MAX = 10**9  # ids: a larger step forward begins a new numbering
RANGES_MAX = 16  # of an instrument: what becomes of more is not modelled


class BeyondModelError(Exception):
    """A log of which the model does not know the answer."""


class Hole(Struct):
    """Ids that are missing, a new numbering (`missing` is 0), or a pause (no ids)."""

    instrument: str | None
    found: Place
    first_id: int | None
    last_id: int | None
    before_ns: int
    after_ns: int
    missing: int = 0
    is_fact: bool = False

    def holds(self, trade_id: int) -> bool:
        """Return whether a missing id is in it."""
        if not self.missing:
            return False
        assert self.first_id is not None and self.last_id is not None
        return self.first_id <= trade_id <= self.last_id


class Numbering(Struct):
    """The ids of one instrument that have come."""

    first_id: int
    newest_id: int
    event_ns: int  # of the trade with the newest id


class GapModel:
    """What a partition lacks, as its records are read in their order."""

    def __init__(self, job: dict[str, Any]) -> None:
        bars = job["bars"]
        self.width, self.finds_gaps = bars["width"], bars["gaps"]
        self.ahead_ns, self.pause_ns = limit_of(bars["ahead"]), limit_of(bars["pause"])
        self.lateness_ns = ns_of(bars["lateness"])
        self.any_price = job["market"].get("any_price", False)
        self.numberings: dict[str, Numbering] = {}
        self.open: dict[str, list[Hole]] = {}  # ids that may still come
        self.holes: list[Hole] = []  # all that bars may touch
        self.last_ns: int | None = None  # log time of the record before
        self.newest: tuple[int, int] | None = None  # event time, and log time of its record

    def pass_record(self, place: Place) -> Iterator[Hole]:
        """Let a record come: yield the pause that it ends, a fact at once."""
        last_ns, self.last_ns = self.last_ns, place.log_ns
        if last_ns is None or self.newest is None or self.pause_ns is None:
            return
        if place.log_ns - last_ns > self.pause_ns:
            newest_ns, newest_log_ns = self.newest
            before_ns = newest_ns + last_ns - newest_log_ns
            after_ns = before_ns + place.log_ns - last_ns
            pause = Hole(None, place, None, None, before_ns, after_ns, is_fact=True)
            self.holes.append(pause)
            yield pause

    def judge(self, place: Place, instrument: str, row: TradeRow, verdict: str) -> str:
        """Return the verdict on a trade by its stamp and id."""
        known = self.numberings.get(instrument)
        within = self.hole_of(instrument, row.trade_id)
        if verdict == "history" and self.finds_gaps and known is not None:
            if row.trade_id > known.newest_id or within is not None:
                verdict = "accepted"
            elif row.trade_id >= known.first_id:
                verdict = "duplicate"
        is_ahead = self.ahead_ns is not None and row.event_ns - place.log_ns > self.ahead_ns
        if verdict == "accepted" and is_ahead:
            verdict = "ahead"
        is_possible = self.any_price or is_in_range(float(row.price), float(row.size))
        if verdict == "accepted" and not is_possible:
            verdict = "off_market"
        if verdict == "accepted" and (self.newest is None or row.event_ns > self.newest[0]):
            self.newest = row.event_ns, place.log_ns
        return verdict

    def note(self, place: Place, instrument: str, row: TradeRow, verdict: str) -> Iterator[Hole]:
        """Note the id of a trade that is neither a duplicate nor history; yield new facts."""
        if not self.finds_gaps or verdict in ("duplicate", "history"):
            return
        time_ns = place.log_ns if verdict == "ahead" else row.event_ns
        known, new_id = self.numberings.get(instrument), row.trade_id
        if known is None:
            self.numberings[instrument] = Numbering(new_id, new_id, time_ns)
            return
        first_ns, last_ns = sorted((known.event_ns, time_ns))
        jump = new_id - known.newest_id
        is_later = verdict == "accepted" and time_ns - known.event_ns > self.lateness_ns
        if jump > JUMP_MAX or (jump <= 0 and is_later):
            yield from self.settle(self.open.pop(instrument, []))
            hole = Hole(instrument, place, known.newest_id, new_id, first_ns, last_ns, is_fact=True)
            self.holes.append(hole)
            yield hole
            self.numberings[instrument] = Numbering(new_id, new_id, time_ns)
        elif jump > 0:
            if jump > 1:
                ids = known.newest_id + 1, new_id - 1
                hole = Hole(instrument, place, *ids, first_ns, last_ns, missing=jump - 1)
                self.holes.append(hole)
                self.open.setdefault(instrument, []).append(hole)
            self.numberings[instrument] = replace(known, newest_id=new_id, event_ns=time_ns)
        elif (within := self.hole_of(instrument, new_id)) is not None:
            self.fill(within, new_id, time_ns)
        if len(self.open.get(instrument, [])) > RANGES_MAX:
            raise BeyondModelError("more ranges of ids are missing than an instrument holds")

    def hole_of(self, instrument: str, trade_id: int) -> Hole | None:
        """Return the hole that a missing id is in."""
        return next((each for each in self.open.get(instrument, []) if each.holds(trade_id)), None)

    def fill(self, hole: Hole, trade_id: int, event_ns: int) -> None:
        """Take an id out of a hole: what is left are the ids on both sides of it."""
        assert hole.instrument is not None and hole.first_id is not None
        assert hole.last_id is not None
        at_ns = min(max(event_ns, hole.before_ns), hole.after_ns)
        below, above = trade_id - hole.first_id, hole.last_id - trade_id
        parts = [
            replace(hole, last_id=trade_id - 1, missing=below, after_ns=at_ns),
            replace(hole, first_id=trade_id + 1, missing=above, before_ns=at_ns),
        ]
        for several in (self.holes, self.open[hole.instrument]):
            at = next(n for n, each in enumerate(several) if each is hole)
            several[at : at + 1] = [part for part in parts if part.missing]

    def settle(self, holes: list[Hole], before_ns: int | None = None) -> list[Hole]:
        """Make facts of holes whose trades lie before an event time."""
        settled = [
            each
            for each in holes
            if not each.is_fact and (before_ns is None or each.after_ns < before_ns)
        ]
        for each in settled:
            each.is_fact = True
        return settled

    def close_bar(self, bar: dict[str, Any]) -> list[Hole]:
        """Let a bar close: one that a hole touches is not complete; old holes become facts."""
        start_ns, end_ns = bar["open_ns"], bar["close_ns"]
        touched = any(
            each.instrument in (None, bar["instrument"])
            and each.before_ns < end_ns
            and each.after_ns >= start_ns
            for each in self.holes
        )
        bar["complete"] = bar["complete"] and not touched
        return self.settle(self.holes, before_ns=end_ns - MINUTE_NS)

    def end(self) -> list[Hole]:
        """Return the facts that the end of the log makes."""
        return self.settle(self.holes)

    def row(self, hole: Hole) -> dict[str, Any]:
        """Return the row of a fact."""
        return {
            "instrument": hole.instrument, "partition": hole.found.partition,
            "offset": hole.found.offset, "log_ns": hole.found.log_ns, "first_id": hole.first_id,
            "last_id": hole.last_id, "missing": hole.missing, "before_ns": hole.before_ns,
            "after_ns": hole.after_ns, "open_ns": bar_bounds(self.width, hole.before_ns)[0],
        }  # fmt: skip
