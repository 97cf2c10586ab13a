"""The metric `signals` of each partition and minute, where strategies are called in the merge.

Elsewhere the step `quality` counts them, which sees a batch before the desk does. The rows are the
same: one for each minute of log time in which the partition has records.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tapeflow.schemas.batches import Batch
from tapeflow.schemas.quality import Metric
from tapeflow.schemas.signals import Signal
from tapeflow.schemas.time import NS_PER_MINUTE, LogPosition


@dataclass(slots=True)
class SignalCounts:
    """The signals of the minutes that are not certain yet."""

    minutes: dict[str, dict[int, int]] = field(default_factory=dict)  # by partition

    def add_batch(self, partition: str, minutes: dict[int, int]) -> None:
        """Add the minutes of the records of a batch, with its own signals."""
        counts = self.minutes.setdefault(partition, {})
        for minute, signals in minutes.items():
            counts[minute] = counts.get(minute, 0) + signals

    def add_signal(self, signal: Signal) -> None:
        """Count a signal that was made in the merge; that of a timer is of no partition."""
        self.add_batch(signal.partition, {signal.time_ns // NS_PER_MINUTE: 1})

    def take_certain(self, horizon: LogPosition) -> Iterator[Metric]:
        """Yield the counts of the minutes before the horizon, and forget them."""
        for partition, counts in sorted(self.minutes.items()):
            certain = [each for each in counts if (each + 1) * NS_PER_MINUTE <= horizon[0]]
            for minute in sorted(certain):
                value = float(counts.pop(minute))
                yield Metric(partition, "signals", minute * NS_PER_MINUTE, value)


def minutes_of(batch: Batch) -> dict[int, int]:
    """Return the minutes of the records of a batch, and how many signals it has of each."""
    minutes: dict[int, int] = {}
    begin, log_ns = 0, batch.log_ns
    while begin < len(log_ns):
        minute = int(log_ns[begin]) // NS_PER_MINUTE
        minutes[minute] = 0
        begin = int(log_ns.searchsorted((minute + 1) * NS_PER_MINUTE))
    for signal in batch.signals:
        minute = signal.time_ns // NS_PER_MINUTE
        minutes[minute] = minutes.get(minute, 0) + 1
    return minutes
