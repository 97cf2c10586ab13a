"""The positions of a scope, each with its owner: who may close it."""

from collections.abc import Iterator
from decimal import Decimal

from tapeflow.operators.desk.risk.scopes import holds_owner
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State

Owner = tuple[str, str, str]  # account, strategy, instrument


def positions_in(
    state: State, settings: DeskSettings, scope: str, *, dust: bool = False
) -> Iterator[tuple[Owner, Decimal]]:
    """Yield what is held in a scope, of a lot at least: less than that, `dust`, cannot be sold."""
    for account in state.accounts.values():
        for strategy, sums in sorted(account.money.books.sums.items()):
            for instrument, position in sorted(sums.open.items()):
                owner = (account.name, strategy, instrument)
                row = settings.instruments.get(instrument)
                is_dust = abs(position.quantity) < row.lot
                if is_dust == dust and holds_owner(settings, scope, owner):
                    yield owner, position.quantity
