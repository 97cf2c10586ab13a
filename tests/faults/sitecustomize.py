"""A fault switch for tests: when armed, a process kills itself once.

"commit": between the commit of the results and that of the epoch. "archive N": at the Nth system
call of the archive. "desk NS": once the desk has processed the log up to this time.
"""

import os
import signal
from pathlib import Path

armed = Path(os.environ.get("ARMED", "nowhere"))
if armed.exists() and armed.read_text() == "commit":
    from tapeflow.connectors.duckdb.sink import ResultsSinkPartition

    seal = ResultsSinkPartition.snapshot

    def snapshot(part):
        before = part.transaction
        state = seal(part)
        if part.transaction > max(before, 2) and armed.read_text() == "commit":
            armed.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return state

    ResultsSinkPartition.snapshot = snapshot

if armed.exists() and armed.read_text().startswith("archive "):
    from tapeflow.connectors.tapes import archive, hour_file

    class DyingDisk:
        """The system calls of the archive; kills the process before or after one of them."""

        left = int(armed.read_text().split()[1])

        def __getattr__(self, name):
            call = getattr(os, name)
            return self.counted(call) if name in {"write", "fsync", "replace", "unlink"} else call

        def counted(self, call):
            def touch(*arguments):
                self.count()
                result = call(*arguments)
                self.count()
                return result

            return touch

        def count(self):
            DyingDisk.left -= 1
            if DyingDisk.left == 0 and armed.read_text():
                armed.write_text("")
                os.kill(os.getpid(), signal.SIGKILL)

    for module in (archive, hour_file):
        vars(module)["os"] = DyingDisk()

if armed.exists() and armed.read_text().startswith("desk "):
    from tapeflow.operators.desk.step import Desk

    end_ns, take_step = int(armed.read_text().split()[1]), Desk.step

    def step(self, state, batch):
        stepped = take_step(self, state, batch)
        if state.now[0] >= end_ns and armed.read_text():
            armed.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return stepped

    Desk.step = step

if os.environ.get("FAULTY_STRATEGY"):
    from importlib import import_module

    import_module("strategies").install()  # beside this file
