"""Records of Kafka are allocated by one thread and freed by another: let both share their memory.

    librdkafka's thread ──malloc──▶ record ──▶ our thread ──free──▶ arena of librdkafka's thread

By default glibc gives each thread an arena of its own, whose pieces of 64 MiB go back to the system
as soon as they are empty; then the next records fault every page in again.
"""

import ctypes
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # parameters of glibc's mallopt
FREE_BYTES = 64 << 20  # of free memory at the end of the heap, before it goes back to the system
HEAP_BYTES = 32 << 20  # blocks up to here come from the heap; the most that glibc takes


@cache
def use_one_arena() -> None:
    """Let threads that start from now on share the arenas there are. Without glibc: do nothing.

    The earlier it is called the better: pyarrow starts a thread with an arena when it is imported.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(ARENA_MAX, 1)
    mallopt(MMAP_THRESHOLD, HEAP_BYTES)
    mallopt(TRIM_THRESHOLD, FREE_BYTES)
