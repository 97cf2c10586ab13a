"""A payment of funding is explained by the two mark prices around it, of which the tape has bytes."""

import json
from decimal import Decimal

import pytest

from tests.explaining import Explained, only
from tests.frames import S
from tests.test_funding_desk import BEGIN, JOB, LOG, USDM, mark_of, next_ns, rate_of


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """Return the log of the desk's test, traded from tapes."""
    folder = tmp_path_factory.mktemp("funding")
    (folder / "tapes").mkdir()
    for partition, records in LOG.items():
        lines = [b"%d %s\n" % record for record in records]
        (folder / "tapes" / f"{partition}.tape").write_bytes(b"".join(lines))
    return Explained(folder / "tapes", folder / "r.duckdb", JOB)


def test_every_payment_is_that_of_the_mark_and_the_rate_in_the_frame_before_it(explained):
    rows = explained.rows("SELECT * FROM funding")
    assert len(rows) > 7
    for row in rows:
        node = explained.explain(f"funding/{row['account']}/{row['seq']}")
        (marks,) = only(node, "marks")
        before, next_one = marks.frames
        for frame in (before, next_one):
            assert frame.frame == explained.frame(USDM, frame.offset)
        fields = json.loads(before.frame)
        assert Decimal(fields["p"]) * Decimal(fields["r"]) * -Decimal(row["quantity"]) == Decimal(
            row["amount"]
        )
        second = (next_one.log_ns - BEGIN) // S
        assert (fields["p"], fields["r"]) == (mark_of(second - 1), rate_of(second - 1))
        assert next_ns(second) != next_ns(second - 1)


def test_a_payment_with_another_mark_than_the_log_has_is_not_whole(explained):
    row = explained.rows("SELECT * FROM funding LIMIT 1")[0]
    name = f"funding/{row['account']}/{row['seq']}"
    node = explained.explain(name)
    (marks,) = only(node, "marks")
    marks.row["mark"] = "1"
    assert not explained.frames.fetch(node)
