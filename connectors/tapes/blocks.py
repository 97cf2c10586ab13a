"""Blocks of memory for text, reused as soon as nothing refers to what they hold.

    thread's blocks    |===== text =====|      |===== text =====|
    lease, an array    alive: page ─▶ views    dead: lent again, warm in the processor's cache

A lease is the one array over a block that is handed out. All views of it refer to it in the end,
in pages, batches or other threads, so while any of them is there its block is not lent again. Fresh
memory costs more than the reading: the system clears each of its pages first.
"""

from threading import local
from weakref import ref

import numpy as np
from msgspec import Struct

from tapeflow.schemas.columns import Bytes

BLOCK_BYTES = 1 << 23  # of a block that is kept: 20,000 records of 400 bytes, a page
BLOCKS_MAX = 4  # kept by a thread, of all its readers together


class Block(Struct):
    """Memory, and the last array that was lent over it."""

    memory: bytearray
    lease: "ref[Bytes]"


_of_thread = local()


def lend_block(size: int) -> Bytes:
    """Return an array of at least `size` bytes that nothing else refers to, its content undefined.

    Blocks of more than BLOCK_BYTES are not kept.
    """
    if size > BLOCK_BYTES:
        return np.empty(size, np.uint8)
    blocks: list[Block] = _of_thread.__dict__.setdefault("blocks", [])
    free = next((each for each in blocks if each.lease() is None), None)
    memory = bytearray(BLOCK_BYTES) if free is None else free.memory
    lease = np.frombuffer(memory, np.uint8)
    if free is not None:
        free.lease = ref(lease)
    elif len(blocks) < BLOCKS_MAX:
        blocks.append(Block(memory, ref(lease)))
    return lease
