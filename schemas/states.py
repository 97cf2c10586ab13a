"""Trading states of scopes, and the facts of their changes; see docs/risk.md."""

from typing import Literal

from msgspec import Struct

from tapeflow.schemas.time import Ns

TradingState = Literal["ACTIVE", "REDUCING", "HALTED", "KILLED"]
SEVERITY: tuple[TradingState, ...] = ("ACTIVE", "REDUCING", "HALTED", "KILLED")  # mildest first


class Cause(Struct, frozen=True):
    """Why a state changes."""

    kind: str  # rule | command | calm: a feed is back
    rule: str  # code of the rule, or id of the command
    by: str = ""  # who gave the command
    observed: str = ""
    limit: str = ""


class StateChange(Struct, frozen=True, gc=False):
    """A scope's trading state changed, or what a change has begun came to its end."""

    seq: int  # running number over all changes of the portfolio
    scope: str  # that is concerned, such as account:main
    time_ns: Ns  # log time
    partition: str  # of the record at which it changed; "": at a time, before its records
    offset: int  # of the record
    before: str  # ACTIVE | REDUCING | HALTED | KILLED
    state: str  # after it
    event: str  # CHANGED | CLOSING | FLAT | REDUCING | REDUCED | ENDED | LOCKED | STUCK: risk.md
    cause: str  # rule | command | calm: a feed is back
    rule: str  # code of the rule, or id of the command
    by: str  # who gave the command, "" of a rule
    observed: str  # by the rule
    limit: str  # of the rule
    detail: str  # of STUCK: why; of LOCKED: who, in what, until when; of FLAT: what is below a lot
