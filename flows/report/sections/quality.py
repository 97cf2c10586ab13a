"""Data quality: what the log held by partition, what is missing in it, and what was not read."""

from tapeflow.flows.report.markup import Column, table
from tapeflow.flows.report.section import Section, columns_of, join, shown_of
from tapeflow.flows.report.source import Source

GAPS_MAX = 200
COUNTS = {
    "records": "all records of the log",
    "accepted": "trades that are used",
    "quotes": "quotes of listed instruments",
    "duplicate": "trades seen before",
    "late": "trades whose bar had closed: in no bar",
    "missing": "trades that the venue numbered and the log lacks",
    "malformed": "records that could not be read: dead letters",
    "unlisted": "records about instruments that are not in the job",
    "history": "old trades, sent on subscribing",
    "off_market": "trades that are not of the market, or out of range",
    "ahead": "trades with an event time ahead of the log's",
}
SUMS = ", ".join(f"sum({name})::BIGINT AS {name}" for name in COUNTS)
QUALITY = f"""
    SELECT q.partition, {SUMS}, delay, worst
    FROM data_quality AS q LEFT JOIN (
        SELECT partition, avg(value) FILTER (name = 'delay_ms_mean') AS delay,
            max(value) FILTER (name = 'delay_ms_max') AS worst
        FROM metrics GROUP BY ALL
    ) AS m ON m.partition = q.partition GROUP BY q.partition, delay, worst ORDER BY ALL
"""
COLUMNS = (
    Column("partition", "partition"),
    *(Column(name, name.replace("_", " "), "count", text) for name, text in COUNTS.items()),
    Column("delay", "delay ms", "number", "event time to log time: mean of the minutes' means"),
    Column("worst", "delay max ms", "number", "event time to log time, the longest"),
)
GAP_COLUMNS = (
    Column("partition", "partition"),
    Column("instrument", "instrument", "text", "none: a pause of the whole partition"),
    Column("missing", "missing", "count", "trades; 0: the venue began to number anew, or a pause"),
    Column("before_time", "after", "time", "event time of the trade before it"),
    Column("after_time", "before", "time", "event time of the trade after it"),
)
STEP_COLUMNS = (
    Column("instrument", "instrument"),
    Column("step_of", "step"),
    Column("step", "as the job has it", "exact"),
    Column("off", "off it", "count"),
    Column("printed", "of", "count"),
    Column("example", "such as", "exact"),
)
LETTERS = "SELECT partition, reason, count(*) AS number FROM dead_letters GROUP BY ALL ORDER BY ALL"
LETTER_COLUMNS = (
    Column("partition", "partition"),
    Column("reason", "reason"),
    Column("number", "number", "count"),
)


def section(source: Source) -> Section:
    """Return counts by partition, gaps, dead letters, and prices off the tick."""
    gaps = source.rows(
        f"FROM gaps ORDER BY log_time DESC, partition, instrument, first_id LIMIT {GAPS_MAX}"
    )
    return Section(
        "quality",
        "Data quality and gaps",
        join(
            table("Records and ticks by partition", COLUMNS, source.rows(QUALITY)),
            columns_of(
                table("Gaps", GAP_COLUMNS, gaps, sortable=len(gaps) > 1),
                table("Dead letters", LETTER_COLUMNS, source.rows(LETTERS)),
            ),
            shown_of(len(gaps), source.count("gaps"), "gaps", "gaps"),
            table("Prices and sizes off the job's steps", STEP_COLUMNS, source.where("off_step")),
        ),
    )
