"""The loop of `step.py`: two open-addressing hash tables of trades, a young one and an old one."""

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.schemas.columns import Bools, Ints, Ints3, Written
from tapeflow.schemas.market import ACCEPTED, DUPLICATE, HISTORICAL

EMPTY = -1
LOW_31_BITS = 2**31 - 1  # so that no product leaves 64 bits
SPREAD = 1540483477  # odd, 31 bits: consecutive ids get distant slots, in all instruments
MIDDLE = 24  # low bits of a product that are dropped: the ones above them are mixed better
INSTRUMENT, TRADE_ID, SEEN = range(3)  # columns of a table; SEEN: last offset (records)
# of the clock: index of the young table, its rows, first offsets
YOUNG, USED, BEGIN, OLD_BEGIN = range(4)


@inlined
def hash_of(trade_id: int, instrument: int) -> int:
    """Return a hash of a trade, whose lowest bits are mixed best."""
    mixed = trade_id ^ (trade_id >> 31) ^ (instrument << 20)
    return (mixed & LOW_31_BITS) * SPREAD >> MIDDLE


@inlined
def find_slot(table: Ints, begin: int, slot: int, trade_id: int, instrument: int) -> int:
    """Return the slot of a trade, or the free slot for it, by linear probing from `slot` on.

    `table`: (3, capacity), whose first offset is `begin`. `slot`: the hash of the trade.
    """
    mask = table.shape[1] - 1
    while table[SEEN, slot] >= begin and not (
        table[TRADE_ID, slot] == trade_id and table[INSTRUMENT, slot] == instrument
    ):
        slot = (slot + 1) & mask
    return slot


@compiled
@by_numbers
def mark_duplicates(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    tables: Written[Ints3], clock: Written[Ints], live: Written[Bools], instrument: Ints,
    trade_id: Ints, offset: Ints, verdict: Written[Ints], window: int, makes_live: int, row: int,
) -> int:  # fmt: skip
    """Mark the duplicates from `row` on, until the young table is full; return the next row.

    `tables`, `clock`, `live`: see `State` of step.py. The columns are (trades,), `verdict` is
    updated.
    `makes_live`: 1 if a trade that is not old makes its instrument live, else 0.
    """
    number, used, begin, old_begin = clock[YOUNG], clock[USED], clock[BEGIN], clock[OLD_BEGIN]
    young, old = tables[number], tables[1 - number]
    mask, room = young.shape[1] - 1, young.shape[1] * 3 // 8
    while row < len(instrument):
        if offset[row] - begin > window:
            young, old, number = old, young, 1 - number
            used, begin, old_begin = 0, offset[row], begin
        elif used >= room:
            break
        if verdict[row] != HISTORICAL:
            live[instrument[row]] |= makes_live
        if verdict[row] == ACCEPTED or (verdict[row] == HISTORICAL and live[instrument[row]]):
            hashed = hash_of(trade_id[row], instrument[row]) & mask
            slot = find_slot(young, begin, hashed, trade_id[row], instrument[row])
            seen = young[SEEN, slot]
            if seen < begin:
                used += 1
                young[INSTRUMENT, slot] = instrument[row]
                young[TRADE_ID, slot] = trade_id[row]
                seen = old[SEEN, find_slot(old, old_begin, hashed, trade_id[row], instrument[row])]
                if seen < old_begin:
                    seen = EMPTY
            if seen != EMPTY and offset[row] - seen <= window:
                verdict[row] = DUPLICATE
            young[SEEN, slot] = offset[row]
        row += 1
    clock[YOUNG], clock[USED], clock[BEGIN], clock[OLD_BEGIN] = number, used, begin, old_begin
    return row
