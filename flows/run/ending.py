"""End a process at once when its work is done: Python would take up to 0.3 s to free everything.

    work done ──▶ threads, exit handlers, output, as Python does ──▶ _exit: nothing is torn down

Files are closed and published, connections closed and producers flushed by the `with` blocks of the
work itself: nothing here waits for an object to be freed.
"""

import atexit
import os
import sys
import threading


def end_process(code: int) -> None:
    """Run what is registered for the end, flush the output, and leave with the exit code.

    Returns, for Python to end as usual, where something still wants the process: a thread that is
    no daemon, a debugger or a profiler, or output that cannot be written.
    """
    watched = sys.flags.inspect or sys.gettrace() is not None or sys.getprofile() is not None
    wanting = {thread for thread in threading.enumerate() if not thread.daemon}
    if watched or wanting != {threading.current_thread()}:
        return
    atexit._run_exitfuncs()  # each once: Python then finds none
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError):
        return
    os._exit(code)
