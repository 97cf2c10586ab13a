"""An error in a strategy's own code, in one line: its file and line, the handler, the strategy."""

from tapeflow.engine.code_lines import describe_failure
from tapeflow.schemas.errors import StrategyError
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.strategy import Strategy


def strategy_error(declared: DeclaredStrategy, handler: str, error: BaseException) -> StrategyError:
    """Return the error of a handler; to be raised from `error`."""
    place = describe_failure(type(declared.strategy), Strategy, handler, error)
    return StrategyError(f"{place}, in {handler} of strategy {declared.name}")
