"""Marks in candles: fills, signals and stop levels, the latest of each instrument."""

from typing import Any

from tapeflow.flows.report.source import Source

MARKS_MAX = 2_000  # fills, and signals, of an instrument: the latest
STOPS_MAX = 500


class Marks:
    """Fills, signals and stop levels of all instruments, the latest of each."""

    def __init__(self, source: Source) -> None:
        """Read them."""
        self.rows = {
            "fills": group(source, FILLS, MARKS_MAX),
            "signals": group(source, SIGNALS, MARKS_MAX),
            "stops": group(source, STOPS, STOPS_MAX),
            "trips": group(source, TRIPS, MARKS_MAX) if "round_trips" in source.names else {},
        }
        self.trailing = dict(
            source.tuples(
                "SELECT instrument, count(*) FROM orders "
                "WHERE type = 'trailing' AND trigger IS NULL GROUP BY ALL"
            )
        )

    def of(self, name: str) -> tuple[dict[str, Any], list[str]]:
        """Return the marks of an instrument, and notes on what is left out."""
        drawn, notes = {}, []
        for kind, grouped in self.rows.items():
            number, rows = grouped.get(name, (0, []))
            drawn[kind] = rows
            if number > len(rows):
                notes.append(f"The last {len(rows):,} of {number:,} {kind} are drawn.")
        if name in self.trailing:
            notes.append(
                f"{self.trailing[name]:,} trailing stops move with the price: without a level here."
            )
        return drawn, notes


def group(source: Source, sql: str, most: int) -> dict[str, tuple[int, list[list[Any]]]]:
    """Return the number of rows of each instrument and the last of them, in order of time."""
    grouped: dict[str, tuple[int, list[list[Any]]]] = {}
    for name, number, *values in source.tuples(
        f"SELECT instrument, count(*) OVER (PARTITION BY instrument), * EXCLUDE instrument "
        f"FROM ({sql}) QUALIFY row_number() OVER (PARTITION BY instrument ORDER BY t DESC, id) "
        f"<= {most} ORDER BY instrument, t, id"
    ):
        grouped.setdefault(name, (number, []))[1].append(values)
    return grouped


FILLS = """
    SELECT instrument, epoch_ms(event_time) AS t, side,
        concat(rtrim(rtrim(size::VARCHAR, '0'), '.'), ' @ ',
            rtrim(rtrim(price::VARCHAR, '0'), '.')), id
    FROM fills
"""
SIGNALS = """
    SELECT instrument, epoch_ms(close_time) - 1 AS t, side, id FROM signals
"""
# From the order to place it, or to move it, until the next one or its end.
STOPS = """
    SELECT c.instrument, epoch_ms(c.time) AS t,
        epoch_ms(coalesce(lead(c.time) OVER (PARTITION BY c.order_id ORDER BY c.seq), ended,
            (SELECT max(log_time) FROM bars))) AS until,
        c.trigger::DOUBLE AS level, level AS same, 'limit' AS colour, c.order_id AS id
    FROM commands AS c LEFT JOIN (
        SELECT order_id, max(time) AS ended FROM order_events WHERE "end" <> '' GROUP BY ALL
    ) AS e ON e.order_id = c.order_id
    WHERE c.trigger IS NOT NULL AND c.action IN ('PLACE', 'AMEND')
"""
TRIPS = """
    SELECT instrument, epoch_ms(entry_time) AS t, epoch_ms(exit_time) AS until,
        entry_price::DOUBLE, exit_price::DOUBLE, if(profit < 0, 'down', 'up'), entry_fill_id AS id
    FROM round_trips WHERE exit_time IS NOT NULL
"""
