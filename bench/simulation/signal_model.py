"""Scores and signals of one partition, bar by bar."""

import math
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bench.simulation.facts import Intent, Place, StrategyModel


class SignalModel:
    """The strategies of a job on the bars of one partition."""

    def __init__(self, strategies: Iterable[StrategyModel], window: int) -> None:
        self.strategies, self.window = tuple(strategies), window
        self.closes: dict[str, list[float]] = defaultdict(list)
        self.returns: dict[str, list[float]] = defaultdict(list)
        self.averages: dict[tuple[str, str, int], float] = {}
        self.beyond: dict[tuple[str, str], bool] = {}
        self.intents: list[Intent] = []

    def add(self, bar: dict[str, Any], place: Place) -> list[dict[str, Any]]:
        """Return the signals on a bar, and keep their intents."""
        instrument, close = bar["instrument"], bar["close"]
        score = self.score(instrument, close)
        self.closes[instrument].append(close)
        signals = []
        for settings, traded in self.strategies:
            if instrument not in traded:
                continue
            crosses = settings["kind"] == "ema_cross"
            view = (
                self.cross(settings, instrument)
                if crosses
                else self.reversion(settings, instrument, score)
            )
            if not view or not math.isfinite(view):
                continue
            side, name = 1 if view > 0 else -1, settings["name"]
            signals.append({
                "strategy": name, "instrument": instrument, "time_ns": place.log_ns, "side": side,
                "strength": abs(view), "close_ns": bar["close_ns"], "ref_price": close,
                "partition": place.partition, "offset": place.offset,
            })  # fmt: skip
            key = (place, bar["close_ns"], instrument.encode(), name.encode())
            size = Decimal(settings["size"])
            self.intents.append(Intent(*key, settings["account"], size, side, close))
        return signals

    def score(self, instrument: str, close: float) -> float:
        """Return how unusual the return of a bar is against the ones before; NaN: unknown."""
        if not self.closes[instrument]:
            return math.nan
        last, returns = self.closes[instrument][-1], self.returns[instrument]
        ratio = close / last
        usual = 0 < ratio < math.inf
        gain = math.log(ratio) if usual else math.log(close) - math.log(last)
        before, score = returns[-self.window :], math.nan
        returns.append(gain)
        if len(before) == self.window:
            mean = plain_sum(before) / self.window
            variance = plain_sum((each - mean) * (each - mean) for each in before) / self.window
            if variance > 0 and math.sqrt(variance) > 0:
                score = (gain - mean) / math.sqrt(variance)
        return score

    def cross(self, settings: dict[str, Any], instrument: str) -> float:
        """Return the difference of two averages where it has changed its sign, else 0."""
        name, count = settings["name"], len(self.closes[instrument])
        was = self.average(name, instrument, 0) - self.average(name, instrument, 1)
        for number, span in enumerate((settings["fast"], settings["slow"])):
            before, close = self.average(name, instrument, number), self.closes[instrument][-1]
            if count < span:
                now = before + close
            elif count == span:
                now = (before + close) / span
            else:
                now = before + 2 / (span + 1) * (close - before)
            self.averages[name, instrument, number] = now
        now = self.average(name, instrument, 0) - self.average(name, instrument, 1)
        crossed = was <= 0 < now or was >= 0 > now
        return now if count > settings["slow"] and crossed else 0.0

    def average(self, name: str, instrument: str, number: int) -> float:
        """Return one of the two averages of a strategy on an instrument."""
        return self.averages.get((name, instrument, number), 0.0)

    def reversion(self, settings: dict[str, Any], instrument: str, score: float) -> float:
        """Return the score against its sign where it has come out of its band, else 0."""
        key = settings["name"], instrument
        outside = not math.isnan(score) and abs(score) >= settings["entry"]
        was, self.beyond[key] = self.beyond.get(key, False), outside
        return -score if outside and not was else 0.0


def plain_sum(values: Iterable[float]) -> float:
    """Add floats one after the other."""
    total = 0.0
    for each in values:
        total += each
    return total
