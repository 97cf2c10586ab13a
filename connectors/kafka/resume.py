"""Check that the log at a reader's position is the one that was read before a restart.

A position is that of KafkaReader: next offset, frames before the next one, last log time as it was
written (ns), frames delivered of the last record, frames in that record.
"""

from confluent_kafka import Message

from tapeflow.connectors.kafka.fetcher import WHY_RECREATED
from tapeflow.connectors.kafka.frames import KafkaPartition, log_times
from tapeflow.connectors.kafka.packs import PackHeader, parse_pack_header
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MIN_NS

Position = tuple[int, int, int, int, int]
UNKNOWN = -1  # frames before a record, for a reader that begins in mid-log: a pack has it


def position_at(offset: int) -> Position:
    """Return the position of a reader that begins at an offset, in mid-log."""
    return offset, UNKNOWN, MIN_NS, 0, 0


def least_end(position: Position) -> int:
    """Return the least offset at which a log can end that was read up to a position."""
    offset, _, _, frames_delivered, frames_in_pack = position
    return offset + (frames_delivered < frames_in_pack)


def check_previous(partition: KafkaPartition, position: Position, message: Message) -> None:
    """Compare the record before a position with what was read there.

    Raises TapeflowError where it is another one.
    """
    offset, frames, _, _, frames_in_pack = position
    headers = message.headers()
    check_log_time(partition, position, int(log_times(partition, [message], [headers])[0]))
    header = parse_pack_header(partition, message, headers)
    if header is None:
        is_same = frames_in_pack == 1
    else:
        is_same = header == (frames - frames_in_pack, frames_in_pack)
    if not is_same:
        raise TapeflowError(
            f"{partition}: the record before offset {offset} holds other frames than "
            f"the {frames_in_pack} we have read there: {WHY_RECREATED}"
        )


def check_is_pack(partition: KafkaPartition, position: Position, header: PackHeader | None) -> None:
    """Compare the header of the next record with the pack that was delivered in part."""
    offset, frames, _, frames_delivered, frames_in_pack = position
    if header != (frames - frames_delivered, frames_in_pack):
        raise TapeflowError(
            f"{partition}: the record at offset {offset} is not the pack of "
            f"{frames_in_pack} frames of which we have read {frames_delivered}: {WHY_RECREATED}"
        )


def check_log_time(partition: KafkaPartition, position: Position, found_ns: int) -> None:
    """Compare the written log time of the last frame with what was read."""
    offset, _, read_ns, _, _ = position
    if found_ns != read_ns:
        raise TapeflowError(
            f"{partition}: the record before offset {offset} has log time {found_ns}, "
            f"but we have read {read_ns} there: {WHY_RECREATED}"
        )
