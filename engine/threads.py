"""Worker threads of the engine, as Python sees them."""

import ctypes


def keep_thread_state() -> None:
    """Let this thread keep what Python knows of it.

    The engine's threads are strangers to Python: at each of some fifty visits a page it would map
    memory for them, and unmap it when they leave, which interrupts all other processors. What is
    kept of a thread that has ended is freed with the process.
    """
    ctypes.pythonapi.PyGILState_Ensure()
