"""How a process that serves or dispatches uses memory: the garbage collector, and malloc."""

import ctypes
import gc
from typing import Final

GC_THRESHOLDS: Final = (50_000, 20, 50)  # new objects, then collections of the younger generation
M_ARENA_MAX: Final = -8  # of glibc's mallopt(3)


def share_malloc_arena() -> None:
    """Have all threads that start from now on allocate from one arena of glibc's malloc.

    With an arena for each, memory that one thread frees is not reused by the others, and the
    process grows for hours. Only one thread runs Python at a time, so they seldom wait for it.
    Where the C library has no mallopt(3), nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def tune_garbage_collector() -> None:
    """Keep the garbage collector from scanning objects that live as long as the process.

    A batch creates thousands of objects that are freed with it; scanning everything loaded at
    start-up for each few hundred of them costs a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
