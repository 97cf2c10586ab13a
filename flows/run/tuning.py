"""The memory of a process that runs a flow: malloc and the garbage collector."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameter numbers of malloc.h
MMAP_THRESHOLD = 32 << 20  # bytes of one block that the kernel maps by itself
TRIM_THRESHOLD = 256 << 20  # free bytes at the heap's end that are given back
GC_REPLAY, GC_LIVE = (200_000, 20, 100), (2_000, 50, 1000)  # of gc.set_threshold


def tune_malloc() -> None:
    """Let the C library keep freed memory: the kernel clears every page that it hands out again.

    That was a tenth of a replay's time. Not every C library has mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)


@contextmanager
def tuned_gc(*, live: bool) -> Iterator[None]:
    """Keep pauses of the garbage collector short: objects alive now are never looked at again.

    A replay collects seldom. A live run collects often, and so briefly: an order may wait for it.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*(GC_LIVE if live else GC_REPLAY))
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
