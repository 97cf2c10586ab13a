"""Times and positions in the log. Times are int64 nanoseconds since the Unix epoch, UTC."""

from typing import Annotated

Ns = Annotated[int, "ns"]  # nanoseconds since the Unix epoch, UTC
LogPosition = tuple[int, str, int]  # (log_ns, partition, offset): where in the log order

MIN_NS, MAX_NS = -(2**63), 2**63 - 1  # before and after every time that a log can hold
NO_TIME = -1  # the venue sent no time
NS_PER_MS = 1_000_000
NS_PER_MINUTE = 60_000_000_000
