"""The section [recovery] of a job file: how often state and results are committed, and where."""

from typing import Annotated, Literal

from pydantic import Field

from tapeflow.flows.job.duration import Duration, within
from tapeflow.flows.job.sections import Section


class Recovery(Section):
    """How often state and results are committed, and where the state is while a run lasts."""

    epoch: Annotated[Duration, within("1ms", "1d")] | None = Field(
        default=None,
        description="Time between commits, from 1ms to 1d. Left out: 1s, or 5s for a replay that "
        "keeps no state.",
    )
    store: Literal["disk", "memory"] = Field(
        default="disk",
        description="Where the engine's store of the state is while a run lasts. `memory`: in "
        "/dev/shm, so that no order waits for the disk, with a copy in the state's folder every 5 "
        "s and at the end. A killed run continues from memory; after a loss of power, from the "
        "copy. The answer is the same.",
    )
