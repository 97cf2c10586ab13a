"""Limits of units in one instrument, worst case by side: of every scope that has one."""

from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive, worst_units
from tapeflow.schemas.risk import Finding, Proposal


class PositionLimit(Struct, frozen=True):
    """Limit the position that open orders can come to, long or short."""

    code: ClassVar[str] = "POSITION_LIMIT"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope; what only reduces passes."""
        return decisive(
            Finding(
                self.code,
                proposal.only_reduces or observed <= view.limits.position_max,
                observed,
                view.limits.position_max,
                view.limits.scope,
            )
            for view in proposal.scopes
            if view.limits.position_max is not None
            for observed in (worst_units(view, proposal),)
        )


CHECKS = (PositionLimit(),)
