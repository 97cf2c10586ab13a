"""Errors that a user can act on: one clear line saying what, where and what to do.

Bad data is never an exception: it is a value with a reason.
"""


class TapeflowError(Exception):
    """The user asked for something that can't be done; the message says what to do instead."""


class UnavailableError(TapeflowError):
    """Something outside was away for too long; it may be back when we start again."""


class UsageError(TapeflowError):
    """The command, its files or its job are not what they should be: nothing was tried."""
