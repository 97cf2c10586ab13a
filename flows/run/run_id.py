"""Ids of runs: no two runs have the same, on whatever machines.

20261127T192007Z-3f9a1c2b     when it started, by the wall clock (UTC), and 32 random bits
"""

import secrets
import time


def new_run_id() -> str:
    """Return the id of a run that starts now."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"
