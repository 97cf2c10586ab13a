"""Orders so large that a second person approves them: four eyes.

approval_above = 1_000_000      an order of 1,000,000 passes, one of more waits for `approve`
"""

from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive, is_within
from tapeflow.schemas.risk import Finding, Proposal


class FourEyes(Struct, frozen=True):
    """Demand the approval of a second person above a notional."""

    code: ClassVar[str] = "FOUR_EYES"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit; what only reduces, or is approved, passes."""
        observed = proposal.notional
        passes = proposal.only_reduces or bool(proposal.approved_by)
        return decisive(
            Finding("MARK_UNKNOWN", passes, None, limit, view.limits.scope)
            if observed is None
            else Finding(
                self.code, passes or is_within(observed, limit), observed, limit, view.limits.scope
            )
            for view in proposal.scopes
            if (limit := view.limits.approval_above) is not None
        )


CHECKS = (FourEyes(),)
