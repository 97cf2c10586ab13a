"""The results of the variants of a grid, and the intervals of log time that they are of."""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.time import Ns


class VariantInterval(Struct, frozen=True, gc=False):
    """Result of a variant in an interval of log time: all of `variants` is computed of these.

    An interval is 1, 5, 25, 75, 225 or 675 s long, or 2, 4, 8, .. times as long as that, up to a
    day: the least that makes no more than 256 of the log, and holds a sample of equity.
    """

    variant: str  # name of the variant
    begin_ns: Ns  # log time
    end_ns: Ns  # log time; the interval does not include it
    trades: int  # fills
    turnover: Decimal  # value of the fills
    fees: Decimal
    equity: Decimal  # of the last sample up to the end
    high: Decimal  # highest equity of the samples, or that before the interval
    low: Decimal  # lowest equity of the samples, or that before the interval
    drawdown: Decimal  # greatest fall from a high, within the interval


class Variant(Struct, frozen=True, gc=False):
    """Result of a variant of a grid over the log and in the folds of it, the best first.

    Returns are the changes of equity by UTC day, the first and the last day as far as the log has
    them, over the capital that the account declares. A Sharpe ratio does not depend on capital.
    """

    rank: int  # 1: the best out of sample; of a log without folds: over all of it
    variant: str  # its name: also of its strategy and account, where its facts are stored
    strategy: str  # the row of the job that has the grid
    parameters: str  # JSON of the values of the grid
    fold: int  # 0: all folds together, or the whole log
    sample: str  # all: the whole log; in: where variants are chosen; out: where they are tested
    begin_ns: Ns  # log time
    end_ns: Ns  # log time
    days: int  # returns by UTC day
    trades: int  # fills
    turnover: Decimal  # value of the fills
    fees: Decimal
    profit: Decimal  # change of equity
    return_: float | None  # profit over the capital; NULL where the account declares none
    sharpe: float | None  # mean by standard deviation of daily returns, times sqrt(365); or NULL
    max_drawdown: Decimal  # greatest fall of equity from a high
    deflated_sharpe: float | None  # probability that it is no result of the number of trials
    facts: bool  # whether the facts of this variant are in this file
    note: str  # why a value is NULL
