"""The decision that refuses a signal of which there is no order."""

from decimal import Decimal

from tapeflow.operators.desk.prices import quote_fields
from tapeflow.operators.desk.risk import net
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.decimals import clamp_for_table
from tapeflow.schemas.signals import Signal


def deny(
    state: State,
    settings: DeskSettings,
    account_name: str,
    signal: Signal,
    name: str,
    size: Decimal,
    why: tuple[str, str],
) -> Decision:
    """Return the decision; `name` is its id, `why` the code and the details."""
    account, (reason, detail) = state.accounts[account_name], why
    return Decision(
        seq=account.next_seq(),
        order_id=name,
        signal_id=signal.id,
        account=account.name,
        strategy=signal.strategy,
        instrument=signal.instrument,
        time_ns=signal.time_ns,
        side=signal.side,
        size=size,
        ref_price=clamp_for_table(net.reference_price(signal.ref_price)),
        close_ns=signal.close_ns,
        decision="DENIED",
        reason=reason,
        detail=detail,
        **quote_fields(state, settings, signal.instrument, signal.position),
    )
