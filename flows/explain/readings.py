"""Shows at a signal the features that its strategy read, and whether its strength follows.

built-in   its kernel over the bars: averages or score      forecast == strength of the signal
class      features of its needs, of all its instruments    of some in the box strength follows
"""

import math
from collections.abc import Iterable, Iterator

from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.features import BAR_KEY, Features
from tapeflow.flows.explain.find import BAR
from tapeflow.flows.explain.forecasts import BOX_STRENGTHS, recompute
from tapeflow.flows.explain.node import Node, Row
from tapeflow.operators.strategies.step import STRATEGIES
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.needs import BarsNeed
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import LogPosition

CLOSE = 1e-9  # relative, by which a strength may differ where earlier bars are missing


def add_features(chain: Chain, node: Node) -> None:
    """Add to the node of a signal what its strategy read, or a note why that is not known."""
    row, features = node.row, chain.features
    try:
        declared = features.strategy(row["strategy"])
        position, key = place_of(chain, row)
        if declared.kind in STRATEGIES:
            add_forecast(node, features, declared, position, key)
        else:
            add_needs(node, features, declared, position, key)
    except TapeflowError as error:
        node.notes.append(f"its features are not known: {' '.join(str(error).split())}")


def place_of(chain: Chain, row: Row) -> tuple[LogPosition, BAR_KEY | None]:
    """Return where a signal was made, and the place of its bar among those of the record."""
    sql = f"SELECT epoch_ns(time) AS ns FROM signals WHERE id = '{row['id']}'"
    position = int(chain.reader.rows(sql)[0]["ns"]), row["partition"], row["offset"]
    match = BAR.fullmatch(row["bar_id"])
    if match is None:
        return position, None
    instrument, open_ns, width_ns, kind = match.groups()
    return position, (int(open_ns) + int(width_ns), kind or "", instrument)


def add_forecast(
    node: Node, features: Features, declared: DeclaredStrategy, position: LogPosition,
    key: BAR_KEY | None,
) -> None:  # fmt: skip
    """Add what a built-in has computed at the bar of its signal."""
    row = node.row
    found = features.last_bar(declared, "", row["instrument"], position, key)
    if found is None or found[1] < 0:
        node.notes.append("its features are not known: the results have no bar of it")
        return
    series, place = found
    forecast = recompute(declared, series.stored.bars, series.scores, place)
    of_bars = series.of_bars("", place)
    if declared.kind != "reversion":  # it goes on over holes
        of_bars |= {"bars": place + 1, "incomplete": series.stored.incomplete[place + 1]}
    parameters = {"window": series.job.normalise.window} if "score" in forecast.values else {}
    node.tables["features"] = [
        {**of_bars, "feature": name, "parameters": parameters, "value": none_if_nan(value),
         "before": none_if_nan(forecast.before[name])}
        for name, value in forecast.values.items()
    ]  # fmt: skip
    signed = row["strength"] if row["side"] == "BUY" else -row["strength"]
    compare(node, forecast.formula, forecast.signed, signed)
    note_bars(node, is_cut=series.stored.is_cut)


def add_needs(
    node: Node, features: Features, declared: DeclaredStrategy, position: LogPosition,
    key: BAR_KEY | None,
) -> None:  # fmt: skip
    """Add the features that a class needs, of its instruments, that of the signal first."""
    own = node.row["instrument"]
    needs, rows, is_cut = features.needs(declared), [], False
    names = [each for each in needs if not isinstance(each, BarsNeed)]
    node.notes += describe_bars(needs)
    for instrument in sorted(declared.instruments, key=lambda each: (each != own, each)):
        for need in names:
            found = features.last_bar(declared, need.kind, instrument, position, key)
            if found is None:
                rows.append({"feature": need.text, "instrument": instrument, "bars": 0})
                continue
            series, place = found
            is_cut |= series.stored.is_cut
            rows.append(series.row(need.text, place))
            if key is None and series.stored.is_at(place + 1, position):
                node.notes.append(
                    f"{need.text} of {instrument} is that before the bar which this record closed: "
                    "the results do not say which of both came first"
                )
    node.tables["features"] = rows
    if not names:
        node.notes.append(f"{declared.kind} needs no features")
    node.notes.append(
        "quotes, positions, orders and its own state, which a class may read too, are not stored"
    )
    check_box(node, declared, rows[: len(names)])
    note_bars(node, is_cut=is_cut)


def describe_bars(needs: Iterable[object]) -> Iterator[str]:
    """Yield which bars a class reads."""
    for each in needs:
        if isinstance(each, BarsNeed) and each.count:
            yield f"it reads the last {each.count} bars of {each.kind or 'the job'} besides"


def check_box(node: Node, declared: DeclaredStrategy, rows: list[Row]) -> None:
    """Compare the strength of a class in the box with what follows from its features."""
    strength = BOX_STRENGTHS.get(declared.kind)
    if strength is None or not rows:
        return
    values = [row["value"] for row in rows if row.get("value") is not None]
    formula = strength.formula.format(*(row["feature"] for row in rows))
    found = math.nan if len(values) < len(rows) else strength.compute(values)
    compare(node, formula, found, node.row["strength"])


def compare(node: Node, formula: str, found: float, expected: float) -> None:
    """Write into the node whether a strength follows from the features."""
    is_equal = math.isclose(found, expected, rel_tol=CLOSE, abs_tol=0)
    node.row = node.row | {
        "recomputed": {
            "formula": formula, "strength": none_if_nan(abs(found)), "equal": is_equal,
        }
    }  # fmt: skip
    if not is_equal:
        node.faults.append(
            f"{formula} gives {'no strength' if math.isnan(found) else f'{found:.6g}'}, not "
            f"{expected:.6g}: the bars of these results are not all that the strategy was called "
            "with, or its settings were others then"
        )


def note_bars(node: Node, *, is_cut: bool) -> None:
    """Note where features are of bars that are not complete, or not of all bars."""
    if any(row.get("incomplete") for row in node.tables["features"]):
        node.notes.append(
            "some of these bars are not complete: the log began in them, or trades are missing"
        )
    if is_cut:
        node.notes.append("its features are computed from the last bars alone: there are too many")


def none_if_nan(value: float) -> float | None:
    """Return a number; None where it is NaN."""
    return None if math.isnan(value) else value
