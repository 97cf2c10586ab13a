"""Records in groups that are read at once: single packs, and runs of plain records.

offset    0       1       2       5       6
record    plain   plain   pack    plain   plain      no record has offset 3 or 4
groups    |--- run ---|   |--|    |--- run ---|
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from confluent_kafka import Message

from tapeflow.connectors.kafka.packs import PACK_HEADER

RecordGroup = tuple[list[Message], list[Any]]  # plain records, or one pack; and their headers


def group_records(messages: list[Message]) -> Iterator[RecordGroup]:
    """Split records, in their order, into single packs and runs of plain records.

    A run has no hole in its offsets.
    """
    if messages and (messages[-1].offset() or 0) - (messages[0].offset() or 0) >= len(messages):
        for run in consecutive_runs(messages):
            yield from group_records(run)
        return
    headers: list[Any] = list(map(Message.headers, messages))
    begin = 0
    if PACK_HEADER in dict(chain.from_iterable(filter(None, headers))):
        for row, pairs in enumerate(headers):
            if PACK_HEADER in dict(pairs or ()):
                if begin < row:
                    yield messages[begin:row], headers[begin:row]
                begin = row + 1
                yield messages[row:begin], headers[row:begin]
    if begin < len(messages):
        yield messages[begin:], headers[begin:]


def consecutive_runs(messages: list[Message]) -> Iterator[list[Message]]:
    """Split records where offsets between them hold none."""
    offsets = np.array([message.offset() for message in messages])
    begin = 0
    for end in (*(np.flatnonzero(np.diff(offsets) != 1) + 1).tolist(), len(messages)):
        yield messages[begin:end]
        begin = end
