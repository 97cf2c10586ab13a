"""Definition of a feature: a kernel that folds over bars, its parameters, its outputs.

macd.signal:12,26,9        Fold(macd, width, {"fast": bars(12), ..}, ("macd", "signal", "hist"))

kernel(known, instrument, anew, close, out, fast=12, slow=26, signal=9)
        |      number       |     |     (outputs, bars), NaN where there is no value
        |                   |     the columns of bars that it reads, by the names of `Bars`
        |                   whether the fold begins anew at this bar
        (instruments, width) what it has kept: zeros at first, column 0 the bars so far
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

from msgspec import Struct

FIRST_COLUMN = 3  # of a kernel's parameters: after known, instrument, anew
LONGEST = 10_000  # bars of a window


class Parameter(Struct, frozen=True):
    """A parameter of a feature, with its default and its bounds."""

    default: float
    least: float
    most: float
    is_whole: bool

    def check(self, value: float) -> int | float:
        """Return a value as the kernel takes it. Raises ValueError with what it should be."""
        if not self.least <= value <= self.most:  # also NaN
            raise ValueError(f"write one from {self.least:g} to {self.most:g}")
        if self.is_whole and value != int(value):
            raise ValueError("write a whole number")
        return int(value) if self.is_whole else float(value)


def bars(default: int, least: int = 1) -> Parameter:
    """Return a parameter that is a number of bars."""
    return Parameter(default, least, LONGEST, True)


def real(default: float, least: float, most: float) -> Parameter:
    """Return a parameter that is any number."""
    return Parameter(default, least, most, False)


class Fold(Struct, frozen=True):
    """A feature as a fold over bars."""

    kernel: Callable[..., None]
    width: Callable[..., int]  # numbers kept for each instrument, by the parameters
    parameters: dict[str, Parameter] = {}
    outputs: tuple[str, ...] = ("",)  # their names, the first is the default; "": there is one
    rising: tuple[str, ...] = ()  # parameters of which each is above the one before

    def complete(self, values: Sequence[float]) -> dict[str, int | float]:
        """Return all parameters: these values in their order, then defaults.

        Raises ValueError for one that is out of bounds.
        """
        found: dict[str, int | float] = {}
        for number, (name, each) in enumerate(self.parameters.items()):
            value = values[number] if number < len(values) else each.default
            try:
                found[name] = each.check(value)
            except ValueError as error:
                raise ValueError(f"{name} is {value:g}: {error}") from None
        for below, above in pairwise(self.rising):
            if found[below] >= found[above]:
                raise ValueError(
                    f"{below} is {found[below]}: write one below {above}, {found[above]}"
                )
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of bars that the kernel reads."""
        return columns_of(self.kernel)


@cache
def columns_of(kernel: Callable[..., None]) -> tuple[str, ...]:
    """Return the parameters of a kernel that are columns of bars: those before `out`."""
    names = [*inspect.signature(kernel).parameters]
    return tuple(names[FIRST_COLUMN : names.index("out")])
