"""An error in a strategy's own code, in one line: its file and line, the handler, the strategy."""

from tapeflow.engine.code_lines import describe_error, files_of, find_line
from tapeflow.schemas.errors import StrategyError
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.strategy import Strategy


def strategy_error(declared: DeclaredStrategy, handler: str, error: BaseException) -> StrategyError:
    """Return the error of a handler; to be raised from `error`.

    An error that passed no line of the strategy's, as of a wrong number of arguments, is that of
    the line where the handler begins.
    """
    kind = type(declared.strategy)
    files = files_of(kind, Strategy)
    code = getattr(getattr(kind, handler, None), "__code__", None)
    begin = f"{code.co_filename} line {code.co_firstlineno}" if code else f"{files[0]}"
    ended = error.__cause__ if isinstance(error.__cause__, StopIteration) else error
    place = find_line(ended, files) or begin  # of an iterator that ended inside a generator
    return StrategyError(
        f"{place}: {describe_error(error)}, in {handler} of strategy {declared.name}"
    )
