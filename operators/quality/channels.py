"""Counts of frames of which nothing is stored, by channel: also of trades that a job does not read.

recognised.depthUpdate  frames of the channel
unread.aggTrade         those of them with a trade of a listed instrument
"""

import numpy as np

from tapeflow.schemas.batches import Batch

RECOGNISED, UNREAD = "recognised", "unread"  # first parts of the names of the metrics


def count_ignored(
    counts: dict[str, int], batch: Batch, labels: tuple[str, ...], first: int, after: int
) -> None:
    """Add the frames from offset `first` to before `after` to `counts`, by the name of the metric.

    `labels` are the names of the channels by number.
    """
    begin, end = batch.ignored.offset.searchsorted((first, after))
    channel = batch.ignored.channel[begin:end]
    instrument = batch.record_instrument[batch.ignored.offset[begin:end] - batch.first_offset]
    for kind, channels in ((RECOGNISED, channel), (UNREAD, channel[instrument >= 0])):
        for number in np.flatnonzero(frames := np.bincount(channels)).tolist():
            name = f"{kind}.{labels[number]}"
            counts[name] = counts.get(name, 0) + int(frames[number])
