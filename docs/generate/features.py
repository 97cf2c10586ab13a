"""features.md: every feature that comes with the package, from the registry and its kernels."""

import inspect
from typing import Any

from docs.generate.markdown import NOTE, code, join, table
from tapeflow.flows.job.features import families, find_first_values

HEADER = ("feature", "outputs", "parameters", "first at bar", "reads", "what it is")
INTRO = """\
A strategy names what it needs: `rsi:14@1m`, that is feature, parameters, kind of bars; `macd.signal:12,26,9@1h` names an output. What is
left out has its default: the first output, the defaults of the parameters, the bars of the job's own width. Only what some strategy
needs is computed, once, for all instruments of the job; `context.feature("rsi:14@1m", instrument)` gives it.

- **Before its first value** a feature is None. The column *first at bar* is with the defaults. TA-Lib has the same warm-up.
- **Behind a hole** all features of the kind begin anew, of that instrument: where a bar begins later than `[normalise] hole` after the end
  of the one before, the price went on unseen, and no value is of both sides of it. A hole inside one wide bar is none between bars.
- **Values** are those of TA-Lib 0.8.1 at every bar, where it has the feature, to 1e-9 relative to the largest value in memory, most of
  them to 1e-14; else those of numpy, in two passes over the window (`python -m bench.features` prints the table). A window is summed anew at each bar,
  so that no outlier is remembered longer than it is in it.
- **The state** is of each partition and instrument: a run that stops and goes on gives the same values to the bit."""
OWN = """\
## Features of your own

```python
\"\"\"The range of the last closes, in basis points of the last one.\"\"\"

from tapeflow import Bar, Feature


class Range(Feature):
    period: int = 20

    def start(self) -> list[float]:
        return []

    def on_bar(self, state: list[float], bar: Bar) -> float | None:
        state.append(bar.close)
        del state[: -self.period]
        if len(state) < self.period:
            return None
        return (max(state) - min(state)) / bar.close * 10_000
```

```toml
[features]
my_range = "range.py:Range"     # a file beside the job, or "package.module:Class"
```

A strategy then needs `my_range:50@1m`: the parameters are the fields of the class, in their order. `start` gives the state of each
instrument, plain values as those of a strategy; `on_bar` changes it in place and returns a number or None. It is called in Python for
each bar of the kind, behind a hole with a new state. An error ends the run with one line that names file and line. A state of another
class or `version` is refused."""


def page() -> str:
    """Return the page."""
    sections = (
        f"## {family}\n\n{table(HEADER, (row(name, fold) for name, fold in folds.items()))}"
        for family, folds in families().items()
    )
    return join("# Features", NOTE, INTRO, *sections, OWN)


def row(name: str, fold: Any) -> tuple[str, ...]:
    """Return the row of a feature."""
    first = find_first_values(fold)
    parameters = (
        f"{key} = {each.default:g} ({each.least:g} to {each.most:g})"
        for key, each in fold.parameters.items()
    )
    text = " ".join((inspect.getdoc(fold.kernel) or "").removeprefix("Write ").split())
    return (
        code(name),
        ", ".join(code(each) for each in fold.outputs if each),
        "; ".join(parameters),
        ", ".join(map(str, dict.fromkeys(first))),
        ", ".join(fold.columns),
        text[0].upper() + text[1:],
    )
