"""The section [sweep] of a job: how `tapeflow sweep` cuts the log into folds."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from tapeflow.flows.job.sections import Section, Span, Unit


class Sweep(Section):
    """How `tapeflow sweep` tests the variants of a grid."""

    folds: Annotated[int | None, Field(ge=0, le=1000), Unit("folds")] = Field(
        default=None,
        description="Times that the log is cut into a part in which variants are chosen and the "
        "part after it in which they are tested; 0: none. Left out: 1, or as many as `train` and "
        "`test` make.",
    )
    train: Span | None = Field(
        default=None,
        description="Length of the first part of a fold, in log time; with `test`. Left out: the "
        "log is cut into `folds` + 1 equal parts.",
    )
    test: Span | None = Field(
        default=None, description="Length of the second part; the next fold begins so much later."
    )

    @model_validator(mode="after")
    def check_lengths(self) -> Self:
        """Refuse one length without the other."""
        if (self.train is None) != (self.test is None):
            raise ValueError("train and test go together: give both, or none")
        return self
