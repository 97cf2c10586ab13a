"""A fault switch for tests: dies between the results' commit and the epoch's, once, when armed."""

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
