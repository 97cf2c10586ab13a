"""The rules of risk as a job declares them: how exposure counts, and the limits of each scope."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from tapeflow.schemas.limits import OnBreach, ScopeLimits

Counting = Literal["worst", "net"]


class RiskRules(Struct, frozen=True):
    """The rules of a job; scopes without limits are not in `limits`."""

    counting: Counting = "worst"  # "net": the four checks of net.py, and nothing else
    flips: bool = False  # orders may carry a position through zero, where no scope says it
    on_breach: OnBreach = "refuse"  # where no scope says it
    limits: Mapping[str, ScopeLimits] = {}  # by scope, with those of [[accounts]]
    groups: Mapping[str, frozenset[str]] = {}  # ids of instruments, by name


NET = RiskRules(counting="net")
