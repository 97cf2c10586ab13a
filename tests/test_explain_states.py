"""A closing explains itself: the fill, its order, the state or position, the command or the price."""

import json

import pytest

from docs.scenarios.renew import copy, output
from tapeflow.connectors.duckdb.query import query
from tests.test_explain_every import bytes_of, nodes_in
from tests.test_scenarios import REPLAY


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a function of a scenario that replays it once; its folder holds the results."""
    folders = {}

    def replayed(name):
        if name not in folders:
            folders[name] = copy(name, tmp_path_factory.mktemp("explained"))
            output(REPLAY, folders[name])
        return folders[name]

    return replayed


def explanations(folder, sql):
    """Yield the explanation of each id that a query finds."""
    rows = query(folder / "results.duckdb", sql).rows
    assert rows, sql
    for (name,) in rows:
        yield output(f"tapeflow explain {name} --tapes tapes", folder)


CLOSING = (
    "SELECT fills.id FROM fills JOIN orders ON order_id = orders.id WHERE signal_id LIKE 'states/%'"
)


def test_a_fill_that_closes_leads_to_the_command_and_its_frame(folder):
    for text in explanations(folder("kill_while_partly_filled"), CLOSING):
        assert "KILLED" in text and "control " in text and '"do":"kill"' in text
        assert "has no row of it" not in text


def test_a_fill_of_a_stop_leads_to_the_price_that_reached_it(folder):
    texts = [*explanations(folder("flash_crash"), CLOSING)]
    assert any("by rule STOP" in text for text in texts)
    assert any("by rule DAILY_LOSS" in text for text in texts)
    for text in texts:
        assert "has no row of it" not in text
        assert '"s":"BTCUSDT"' in text  # of the record at which it was found


@pytest.mark.parametrize("name", ["flash_crash", "dead_feed", "kill_while_partly_filled"])
def test_every_change_of_a_state_and_every_command_is_explained(folder, name):
    for text in explanations(folder(name), "SELECT 'states/' || seq FROM states ORDER BY seq"):
        assert text.startswith("state states/")
        assert "has no row of it" not in text
    if name != "dead_feed":
        for text in explanations(folder(name), "SELECT id FROM control"):
            assert text.startswith("control ")


@pytest.mark.parametrize("name", ["flash_crash", "restart_while_halted", "venue_rejects"])
def test_every_state_and_command_goes_down_to_the_bytes_of_the_tape(folder, name):
    place = folder(name)
    tapes = {
        path.name.partition(".")[0]: path.read_bytes().splitlines()
        for path in (place / "tapes").glob("*.tape")
    }
    audit = "tapeflow explain --every states --every control --json --tapes tapes"
    roots = [json.loads(line) for line in output(audit, place).splitlines()]
    assert {"state", "control"} == {root["kind"] for root in roots}
    for root in roots:
        frames = [
            (node["row"]["partition"], frame)
            for node in nodes_in(root) for frame in node["frames"]
        ]  # fmt: skip
        assert root["whole"] and frames, root["id"]
        for partition, frame in frames:
            line = tapes[partition][frame["offset"]]
            assert bytes_of(frame) == line.partition(b" ")[2], root["id"]
