"""The views of the results file: tables of minutes, summed over all minutes."""

from typing import Any

from tapeflow.schemas.arrow import columns
from tapeflow.schemas.quality import QualityCounts

QUALITY = """
    CREATE VIEW data_quality AS
    SELECT partition, instrument, min(time) AS first_minute, max(time) AS last_minute,
        {sums}
    FROM data_quality_minutes GROUP BY partition, instrument ORDER BY partition, instrument
"""
RECOGNISED = """
    CREATE VIEW recognised_channels AS
    SELECT partition, split_part(name, '.', 2) AS channel,
        sum(value) FILTER (name LIKE 'recognised.%')::BIGINT AS frames,
        coalesce(sum(value) FILTER (name LIKE 'unread.%'), 0)::BIGINT AS unread
    FROM metrics WHERE name LIKE 'recognised.%' OR name LIKE 'unread.%' GROUP BY ALL ORDER BY ALL
"""


def create_views(con: Any) -> None:
    """Create the views; their tables exist."""
    counts = [column.name for column in columns(QualityCounts) if column.sql == "BIGINT"]
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in counts)
    con.execute(QUALITY.format(sums=sums))
    con.execute(RECOGNISED)
