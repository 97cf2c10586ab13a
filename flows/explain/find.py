"""Finds what is meant by an id, or by the beginning of one.

70738912dabe                       fill, order, decision, signal, control command
binance-0:18665                    a record: dead letter, or what it led to
BTC-USDT.BINANCE@2026-01-05T09:00  the bar that holds this time; also as `signals.bar_id`
main/7, order_events/main/12       fact 7 of account main; a row of a table with an own count
states/3                           a change of a trading state
"""

import re

from tapeflow.connectors.duckdb.reading import ResultsReader, to_sql
from tapeflow.flows.explain.node import Row
from tapeflow.flows.job.messages import suggestion
from tapeflow.schemas.errors import TapeflowError

PREFIX_MIN, ID_LENGTH, SHOWN = 6, 24, 5
HEX = re.compile(r"[0-9a-f]+")
RECORD = re.compile(r"([A-Za-z0-9_-]+-\d+):(\d+)")
BAR = re.compile(r"([^@\s]+)@(-?\d+)\+(\d+)(?:/(.+))?")
MOMENT = re.compile(r"([^@\s]+)@([^/]+)(?:/(.+))?")
ROW = re.compile(r"(?:(states|order_events|commands|funding)/)?(?:(.+)/)?(\d+)")
IDS = {"fill": ("fills", "id"), "order": ("orders", "id"), "decision": ("decisions", "order_id"),
       "signal": ("signals", "id"), "control": ("control", "id")}  # fmt: skip
NUMBERED = {"decision": "decisions", "order": "orders", "fill": "fills", "position": "positions",
            "equity": "equity"}  # tables that share the numbers of an account  # fmt: skip
COUNTED = {"order_events": "event", "commands": "command", "funding": "funding"}
FORMS = (
    "give an id or at least 6 of its first characters, partition:offset, instrument@time, or "
    "account/seq"
)
WITH_NS = "SELECT *, epoch_ns(open_time) AS open_ns, epoch_ns(close_time) AS close_ns FROM"


def find(reader: ResultsReader, text: str) -> tuple[str, Row]:
    """Return the kind of what is meant, and its row.

    Raises TapeflowError where nothing is, or several things are.
    """
    if match := RECORD.fullmatch(text):
        return "record", {"partition": match[1], "offset": int(match[2])}
    if match := BAR.fullmatch(text):
        return "bar", find_bar(reader, text)
    if match := MOMENT.fullmatch(text):
        return "bar", find_bar_at(reader, *match.groups())
    if HEX.fullmatch(text) and not (text.isdigit() and len(text) < PREFIX_MIN):
        return find_id(reader, text)
    if (match := ROW.fullmatch(text)) and (match[1] or match[2]):
        return find_numbered(reader, *match.groups())
    raise TapeflowError(f"{text} is no id: {FORMS}")


def find_id(reader: ResultsReader, text: str) -> tuple[str, Row]:
    """Return the only fact whose id begins with a text; an order goes before its decision."""
    if len(text) < PREFIX_MIN:
        raise TapeflowError(f"{text} is too short: {FORMS}")
    prefix = text[:ID_LENGTH]  # the id of an order at a venue has a generation behind it
    known = {kind: each for kind, each in IDS.items() if each[0] in reader.names}
    union = " UNION ALL ".join(
        f"SELECT {number} AS number, '{kind}' AS kind, {column} AS id FROM {table}"
        for number, (kind, (table, column)) in enumerate(known.items())
    )
    found = reader.rows(
        f"SELECT arg_min(kind, number) AS kind, id FROM ({union}) "
        f"WHERE starts_with(id, {to_sql(prefix)}) GROUP BY id ORDER BY id LIMIT {SHOWN + 1}"
    )
    if not found:
        near = reader.rows(
            f"SELECT arg_min(kind, number) AS kind, id FROM ({union}) GROUP BY id "
            f"ORDER BY levenshtein(left(id, {len(prefix)}), {to_sql(prefix)}), id LIMIT 1"
        )
        nearest = f"; the nearest is {near[0]['kind']} {near[0]['id']}" if near else ""
        raise TapeflowError(f"no fact has an id that begins with {prefix}{nearest}")
    if len(found) > 1:
        several = ", ".join(f"{each['kind']} {each['id']}" for each in found[:SHOWN])
        more = ", .." if len(found) > SHOWN else ""
        raise TapeflowError(f"{prefix} is the beginning of several ids: {several}{more}")
    kind = found[0]["kind"]
    table, column = IDS[kind]
    return kind, reader.where(table, **{column: found[0]["id"]})[0]


def find_bar(reader: ResultsReader, text: str) -> Row:
    """Return the bar with an id; TapeflowError where there is none."""
    match = BAR.fullmatch(text)
    assert match is not None, text
    instrument, open_ns, width_ns, kind = match.groups()
    table = "other_bars" if kind else "bars"
    of_kind = f"AND kind = {to_sql(kind)}" if kind else ""
    found = reader.rows(
        f"{WITH_NS} {table} WHERE instrument = {to_sql(instrument)} {of_kind} "
        f"AND open_time = make_timestamp_ns({int(open_ns)}) "
        f"AND close_time = make_timestamp_ns({int(open_ns) + int(width_ns)})"
    )
    if not found:
        near = describe_near(reader, instrument, f"epoch_ns(open_time) <= {int(open_ns)}")
        raise TapeflowError(f"no bar {text}{near}")
    return found[0]


def find_bar_at(reader: ResultsReader, instrument: str, time: str, kind: str | None) -> Row:
    """Return the bar that holds a time, of the job's width or of a kind; else TapeflowError."""
    table = "other_bars" if kind else "bars"
    of_kind = f"AND kind = {to_sql(kind)} " if kind else ""
    moment = f"try_cast({to_sql(time.removesuffix('Z'))} AS TIMESTAMP_NS)"
    if reader.rows(f"SELECT {moment} AS time")[0]["time"] is None:
        raise TapeflowError(f"{time} is no time: write {instrument}@2026-01-05T09:00:42 (UTC)")
    found = reader.rows(
        f"{WITH_NS} {table} WHERE instrument = {to_sql(instrument)} {of_kind}"
        f"AND open_time <= {moment} AND close_time > {moment} ORDER BY log_time LIMIT 1"
    )
    if not found:
        near = describe_near(reader, instrument, f"open_time <= {moment}")
        raise TapeflowError(f"no bar of {instrument} holds {time}{near}")
    return found[0]


def describe_near(reader: ResultsReader, instrument: str, before: str) -> str:
    """Return which bar of an instrument is near, or which instrument may be meant."""
    found = reader.rows(
        f"SELECT open_time FROM bars WHERE instrument = {to_sql(instrument)} "
        f"ORDER BY ({before}) DESC, abs(epoch_ns(open_time)) * if({before}, -1, 1) LIMIT 1"
    )
    if found:
        return f"; the nearest begins at {found[0]['open_time']}"
    known = [each["id"] for each in reader.rows("SELECT id FROM instruments")]
    return suggestion(instrument, known) or f": {instrument} has no bars"


def find_numbered(
    reader: ResultsReader, table: str | None, account: str | None, seq: str
) -> tuple[str, Row]:
    """Return the fact with a running number of an account, or of the portfolio."""
    if table == "states":
        if found := reader.where("states", seq=int(seq)):
            return "state", found[0]
        raise TapeflowError(f"no change of a trading state has the number {seq}")
    account = account or ""
    tables = {COUNTED[table]: table} if table else NUMBERED
    for kind, name in tables.items():
        if found := reader.where(name, account=account, seq=int(seq)):
            return kind, found[0]
    last = reader.rows(
        " UNION ALL ".join(
            f"SELECT account, max(seq) AS seq FROM {name} GROUP BY account"
            for name in tables.values()
        )
    )
    numbers = {each["account"]: 0 for each in last}
    for each in last:
        numbers[each["account"]] = max(numbers[each["account"]], each["seq"])
    if account not in numbers:
        raise TapeflowError(f"no account {account} has facts{suggestion(account, numbers)}")
    raise TapeflowError(f"account {account} has no fact {seq}: the last is {numbers[account]}")
