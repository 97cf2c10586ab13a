"""Errors that a user can act on: one clear line saying what, where and what to do.

Bad data is never an exception: it is a value with a reason.
"""

IMPORT = "tapeflow import makes tapes of CSV, Parquet and JSON lines"  # what to do with such a file


class TapeflowError(Exception):
    """A failure with a known cause. The message is one line: what, where, what to do."""


class UnavailableError(TapeflowError):
    """An outside service, such as Kafka, did not answer for too long: a restart may help."""


class RecordsDeletedError(TapeflowError):
    """Records that should come next were deleted, by the retention of Kafka."""


class PeerEndedError(TapeflowError):
    """Another process of the cluster has ended; it says why."""


class UsageError(TapeflowError):
    """The command line, a named file or the job is wrong; nothing was run."""


class StoppedError(TapeflowError):
    """A signal has stopped the work before its end: no failure, and no whole answer."""

    def __init__(self, line: str, signal: int) -> None:
        super().__init__(line)
        self.signal = signal  # its number


class StrategyError(Exception):
    """An error that the code of a strategy or feature raised: its line, text and handler.

    The message is one line. It is raised from that error, which is nobody's but the strategy's: it
    is not explained.
    """
