"""Bad use: one clear line saying what, where and what to do. Bad data is never an exception."""


class MisuseError(Exception):
    """The user asked for something that can't be done; the message says what to do instead."""


class UsageError(MisuseError):
    """The command, its files or its job are not what they should be: nothing was tried."""
