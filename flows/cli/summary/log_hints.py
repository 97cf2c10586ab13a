"""Hints about records: those that are not listed, not read, or malformed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tapeflow.connectors.duckdb.query import has_table
from tapeflow.flows.cli.summary.tables import Counts
from tapeflow.flows.cli.summary.wording import names, share_of
from tapeflow.schemas.venues import VENUES, venue_of

MOST = 0.5  # of a partition's records
NOTABLE = 0.1  # the share of a partition that was lost without need
SAMPLE = 20  # dead letters of a partition that are tried as frames of other venues
UNREAD = """
    WITH silent AS (
        SELECT partition, list(instrument ORDER BY instrument) AS instruments
        FROM data_quality
        WHERE instrument IS NOT NULL AND recognised > 0
            AND accepted + duplicate + late + history + off_market = 0
        GROUP BY partition
    )
    SELECT partition, channel, unread, instruments
    FROM silent JOIN recognised_channels USING (partition) WHERE unread > 0 ORDER BY ALL
"""  # of instruments without any other trade, the channels that hold trades and are not read

Hint = Callable[[Any, dict[str, Counts], dict[str, Any]], Iterator[str]]


def find_unlisted(con: Any, partitions: dict[str, Counts], job: dict[str, Any]) -> Iterator[str]:
    """Yield which partitions are mostly about instruments that the job does not list."""
    found = {
        name: counts
        for name, counts in partitions.items()
        if counts["unlisted"] > MOST * (counts["unlisted"] + counts["with_ticks"])
    }
    if not found:
        return
    lost = sum(counts["unlisted"] for counts in found.values())
    of = lost + sum(counts["with_ticks"] for counts in found.values())
    symbols = unlisted_symbols(con, found)
    yield (
        f"{names(found)}: {share_of(lost, of, 'record')} about symbols that the job does not "
        f"list{': ' + symbols if symbols else ''}; list what you want under [instruments]"
    )


def unlisted_symbols(con: Any, partitions: Iterable[str]) -> str:
    """Return the commonest unlisted symbols with their counts; nothing where none were kept."""
    if not has_table(con, "unlisted"):
        return ""
    rows = con.execute(
        "SELECT symbol, sum(records)::BIGINT FROM unlisted WHERE list_contains(?, partition) "
        "GROUP BY 1 ORDER BY 2 DESC, 1",
        [[*partitions]],
    ).fetchall()
    return names([f"{symbol} {records:,}" for symbol, records in rows])


def find_malformed(con: Any, partitions: dict[str, Counts], job: dict[str, Any]) -> Iterator[str]:
    """Yield which partitions hold many dead letters, and whose frames these look like."""
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)  # by venue and diagnosis
    for name, counts in partitions.items():
        if is_malformed(counts):
            groups[venue_of(name), diagnose(con, name)].append(name)
    for (_, diagnosis), found in groups.items():
        lost = sum(partitions[name]["malformed"] for name in found)
        of = sum(partitions[name]["records"] - partitions[name]["heartbeats"] for name in found)
        yield f"{names(found)}: {share_of(lost, of, 'record')} malformed: {diagnosis}"


def is_malformed(counts: Counts) -> bool:
    """Return whether many records of a partition are dead letters."""
    return counts["malformed"] > NOTABLE * (counts["records"] - counts["heartbeats"])


def diagnose(con: Any, partition: str) -> str:
    """Return whose frames the dead letters of a partition look like, or why they are ones."""
    frames = con.execute(
        "SELECT frame FROM dead_letters WHERE partition = ? AND octet_length(frame) = length "
        f'ORDER BY "offset" LIMIT {SAMPLE}',
        [partition],
    ).fetchall()
    venue = venue_of(partition)
    readers = readable_by([bytes(frame) for (frame,) in frames])
    if venue in readers:
        return (
            f"they are frames of {venue} that the job does not expect; see [channels] and [market]"
        )
    if readers:
        return (
            f"these look like frames of {' or '.join(readers)}: is the tape or topic named for the "
            "wrong venue?"
        )
    reason, count = con.execute(
        "SELECT reason, count(*) FROM dead_letters WHERE partition = ? "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1",
        [partition],
    ).fetchone() or ("", 0)
    return f"{count:,} because of: {reason}; look at `frame` in the table dead_letters"


def readable_by(frames: list[bytes]) -> list[str]:
    """Return the venues that read the most of some frames, at least half; none for no frames."""
    from tapeflow.operators.decode.messages import MalformedError
    from tapeflow.operators.decode.strict import read_frame

    read: Counter[str] = Counter()
    for venue, entry in VENUES.items():
        for frame in frames:
            try:
                read[venue] += bool(read_frame(entry.dialect, frame, {}))
            except MalformedError:
                continue
    most = max(read.values(), default=0)
    return [venue for venue in VENUES if most and read[venue] == most >= MOST * len(frames)]


def find_unread(con: Any, partitions: dict[str, Counts], job: dict[str, Any]) -> Iterator[str]:
    """Yield which partitions hold records, but none of a channel that is stored."""
    if has_table(con, "recognised_channels"):
        for name, channel, frames, instruments in con.execute(UNREAD).fetchall():
            setting = f'[market] trades = {{ {venue_of(name)} = "{channel}" }}'
            yield (
                f"{name}: none of {frames:,} {channel} frames is read, and no other trades of "
                f"{names(instruments)}: to read them set {setting}"
            )
            partitions = {each: counts for each, counts in partitions.items() if each != name}
    found = [
        name
        for name, counts in partitions.items()
        if counts["records"]
        and not counts["with_ticks"] + counts["unlisted"]
        and not is_malformed(counts)
    ]
    if found:
        records = sum(partitions[name]["records"] for name in found)
        yield (
            f"none of {records:,} records of {names(found)} holds a trade or quote: they are "
            "heartbeats, acks, or of channels that are not read; record the venue's trade channel"
        )


HINTS: tuple[Hint, ...] = (find_unlisted, find_malformed, find_unread)
