"""The section [risk] of a job: how exposure counts, and what is allowed where no scope says it."""

from typing import Literal

from pydantic import Field

from tapeflow.flows.job.sections import Section


class Risk(Section):
    """How the risk checks count, and what is allowed where no scope says it."""

    counting: Literal["worst", "net"] = Field(
        default="worst",
        description="`worst`: exposure is the larger of what all open buys, or all open sells, "
        "come to at the present marks. `net`: signed units as they were approved, at the price of "
        "the newest approval; only the limits of [[accounts]] are asked, also of exits.",
    )
    flips: bool = Field(
        default=False,
        description="An order may carry a position of a contract through zero; else it is cut to "
        "what reduces.",
    )
    on_breach: Literal["refuse", "resize"] = Field(
        default="refuse",
        description="An order beyond a limit is refused, or cut to the largest size that passes.",
    )
