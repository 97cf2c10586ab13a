"""What the rules of risk decide, worked out from facts and the log alone: docs/risk.md in code.

    facts before a decision ─▶ Books ─▶ checks in their order ─▶ verdict ─ equal ─ the Decision

Exact: sizes, prices and limits are decimals.
"""

from decimal import Decimal as D

from tapeflow.schemas.signals import AmendIntent, Intent, Leg
from tests.risk_books import ZERO, Books, Proposed, owner_of, row_of
from tests.risk_oracle_checks import CHECKS, RESIZED


class RiskOracle(Books):
    """The rules over the books."""

    # --- the checks, in their order -------------------------------------------------------

    def failing(self, proposed: Proposed, before: list[Proposed]) -> str:
        """Return the code of the first check that fails, "" where none does."""
        reduces = self.only_reduces(proposed, before)
        for code, check in CHECKS.items():
            found = check(self, proposed, before, reduces)
            if found is not True:
                return found or code
        return ""

    def decide(
        self, proposed: Proposed, before: list[Proposed], *, may_be_cut: bool
    ) -> tuple[str, D]:
        """Return why an order is refused, or "", and its size: perhaps cut to what passes."""
        for code, check in CHECKS.items():
            found = check(self, proposed, before, self.only_reduces(proposed, before))
            if found is True:
                continue
            fitting = self.cut(proposed, before, code) if may_be_cut else None
            if fitting is None:
                return found or code, proposed.size
            proposed = fitting
        return "", proposed.size

    def cut(self, proposed: Proposed, before: list[Proposed], code: str) -> Proposed | None:
        """Return the largest order, in lots, that passes a check, None where none does."""
        if code != "FLIP" and (self.story.job.on_breach != "resize" or code not in RESIZED):
            return None
        lot = row_of(proposed.owner).lot
        for lots in range(int(proposed.size / lot), 0, -1):
            one = Proposed(
                proposed.owner,
                proposed.side,
                lots * lot,
                proposed.reduce_only,
                proposed.limit,
                proposed.position,
            )
            if CHECKS[code](self, one, before, self.only_reduces(one, before)) is True:
                return one
        return None

    # --- intents --------------------------------------------------------------------------

    def expect(self, intent: Intent) -> list[tuple[str, D]]:
        """Return the decisions of an intent: reason and size of each, or the one that refuses."""
        entries = (Leg(intent.signal.side, intent.size, intent.terms), *intent.others)
        one_side = len({each.side for each in entries}) == 1
        self.prices.move(intent.signal.position)
        before: list[Proposed] = []
        found = []
        for leg in entries:
            proposed = propose(intent, leg)
            reason, size = self.decide(proposed, before, may_be_cut=True)
            if reason:
                return [(reason, size)]
            found.append(("", size))
            before.append(propose(intent, leg, size))
            found += [("", each.size) for each in intent.exits if one_side or each.side != leg.side]
        for number, each in enumerate(before):
            if not self.only_reduces(each, before[:number]):
                counted = self.limits_of(each, "orders_max")
                self.opened += [(intent.signal.time_ns, scope) for scope, _ in counted]
        return found

    def amendment(self, intent: AmendIntent, size: D | None) -> str:
        """Return why what an amendment adds is refused, or ""."""
        known = self.orders[intent.order_id]
        added = ZERO if size is None else size - known.target
        self.prices.move(intent.signal.position)
        order = known.order
        reason = self.amended_whole(intent, added > 0)
        if reason or added <= 0:
            return reason
        proposed = Proposed(
            owner_of(order), order.side, added, order.reduce_only, order.limit,
            intent.signal.position,
        )  # fmt: skip
        return self.decide(proposed, [], may_be_cut=False)[0]

    def amended_whole(self, intent: AmendIntent, is_larger: bool) -> str:
        """Return why an order is refused as it would be, or ""; one that reduces is not asked."""
        known = self.orders[intent.order_id]
        order, whole = known.order, known.target if intent.size is None else intent.size
        if order.role == "exit" or not (is_larger or intent.limit is not None):
            return ""
        limit = order.limit if intent.limit is None else intent.limit
        position = intent.signal.position
        proposed = Proposed(owner_of(order), order.side, whole, order.reduce_only, limit, position)
        against, open_ = self.own(proposed, [])
        rest = whole - known.filled
        if order.reduce_only or (against > 0 and rest <= against - (open_ - known.open)):
            return ""
        for code in ("SIZE_MAX", "NOTIONAL_MAX"):
            found = CHECKS[code](self, proposed, [], False)
            if found is not True:
                return found or code
        return ""


def propose(intent: Intent, leg: Leg, size: D | None = None) -> Proposed:
    """Return an entry of an intent as the rules see it."""
    signal = intent.signal
    owner = (intent.account, signal.strategy, signal.instrument)
    return Proposed(
        owner, leg.side, leg.size if size is None else size, leg.terms.reduce_only, leg.terms.limit,
        signal.position,
    )  # fmt: skip
