"""Every fact of the demo explained: frames are the bytes of the tape, sizes in them sum to bars."""

import base64
import contextlib
import io
import json
from collections import Counter
from decimal import Decimal

import pytest

from tapeflow.flows.cli.main import main
from tapeflow.flows.explain.every import FACTS

AUDITED = [each for each in FACTS if each not in {"bars", "other_bars"}]
SIZES = {"binance-0": "q", "binance-usdm-0": "q", "coinbase-0": "size"}  # of a trade's frame


def nodes_in(node):
    """Yield an object of an explanation and all below it."""
    yield node
    for each in node["causes"]:
        yield from nodes_in(each)


def bytes_of(frame):
    """Return the bytes of a shown frame."""
    if "frame" in frame:
        return frame["frame"].encode()
    return base64.b64decode(frame["frame_base64"])


def size_in(partition, frame):
    """Return the size of the trade in a raw frame, by plain JSON."""
    found = json.loads(bytes_of(frame))
    return Decimal(found.get("data", found)[SIZES[partition]])


@pytest.fixture(scope="module")
def results(demo_run, tmp_path_factory):
    """A copy of the results: the file itself is open in this process."""
    copy = tmp_path_factory.mktemp("every") / "results.duckdb"
    copy.write_bytes(demo_run.results.read_bytes())
    return copy


@pytest.fixture(scope="module")
def explained(demo_run, results):
    """Every fact of the demo but its bars, in JSON, by kind of fact."""
    found = {}
    for facts in AUDITED:
        out = io.StringIO()
        command = ["explain", "--every", facts, "--tapes", demo_run.tapes, "--json",
                   "--results", results]  # fmt: skip
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            assert main([*map(str, command)]) == 0
        found[facts] = [json.loads(line) for line in out.getvalue().splitlines()]
    return found


@pytest.mark.slow
def test_every_fact_is_explained_and_whole(demo_run, explained):
    counts = {facts: len(nodes) for facts, nodes in explained.items()}
    for facts, count in counts.items():
        if facts == "refusals":
            expected = "SELECT count(*) FROM decisions WHERE decision = 'DENIED'"
        else:
            expected = f"SELECT count(*) FROM {facts}"
        assert count == demo_run.ids(expected)[0], facts
    assert counts["fills"] >= 40 and counts["refusals"] >= 20 and counts["dead_letters"] >= 20
    assert counts["late_trades"] >= 20 and counts["gaps"] >= 4 and counts["unlisted"] >= 2
    for nodes in explained.values():
        assert all(node["whole"] for node in nodes)


@pytest.mark.slow
def test_every_frame_shown_is_that_of_the_tape(demo_run, explained):
    seen = Counter()
    for nodes in explained.values():
        for node in (each for root in nodes for each in nodes_in(root)):
            for frame in node["frames"]:
                expected = demo_run.frame(node["row"]["partition"], frame["offset"])
                assert bytes_of(frame) == expected, node["id"]
                seen[node["kind"]] += 1
    assert min(seen[kind] for kind in ("record", "trades", "dead letter", "sides")) > 0


@pytest.mark.slow
def test_sizes_in_the_raw_frames_of_each_bar_sum_to_its_volume(explained):
    bars = 0
    for nodes in explained.values():
        for bar in (each for root in nodes for each in nodes_in(root) if each["kind"] == "bar"):
            if not bar["row"]:
                continue  # shown above
            (trades,) = [each for each in bar["causes"] if each["kind"] == "trades"]
            partition = bar["row"]["partition"]
            total = sum(size_in(partition, frame) for frame in trades["frames"])
            assert float(total) == pytest.approx(bar["row"]["volume"], rel=1e-9)
            assert len(trades["frames"]) == trades["row"]["records"]
            bars += 1
    assert bars > 400


@pytest.mark.slow
def test_every_fill_and_refusal_goes_down_to_features_and_trades(explained):
    for facts in ("fills", "refusals"):
        for node in explained[facts]:
            kinds = {each["kind"] for each in nodes_in(node)}
            assert {"decision", "signal", "bar", "trades", "record"} <= kinds
            (signal,) = [each for each in nodes_in(node) if each["kind"] == "signal"]
            assert signal["tables"]["features"]
            assert signal["row"]["recomputed"]["equal"]


@pytest.mark.slow
def test_both_sides_of_a_gap_are_the_trades_around_the_missing_ids(explained):
    for gap in explained["gaps"]:
        (sides,) = [each for each in gap["causes"] if each["kind"] == "sides"]
        ids = [
            found.get("data", found)["t" if "data" in found else "trade_id"]
            for found in (json.loads(bytes_of(frame)) for frame in sides["frames"])
        ]
        assert ids == [gap["row"]["first_id"] - 1, gap["row"]["last_id"] + 1]
        assert sides["row"]["absent"] == gap["row"]["missing"]


@pytest.mark.slow
def test_a_late_trade_came_behind_the_record_that_closed_its_bar(explained):
    for late in explained["late_trades"]:
        bars = [each for each in late["causes"] if each["kind"] == "bar"]
        assert bars or late["notes"]
        for bar in bars:
            assert bar["row"]["offset"] <= late["row"]["offset"]


@pytest.mark.slow
def test_a_dead_letter_says_where_it_stops_to_be_json(explained):
    for letter in explained["dead_letters"]:
        raw = bytes_of(letter["frames"][0])
        assert letter["row"]["fault"] == f"it ends at byte {len(raw)}, inside its JSON value"


def test_a_changed_byte_of_the_tape_is_found(demo_run, results, tmp_path, capsys):
    fill = demo_run.rows("SELECT * FROM fills WHERE partition = 'binance-0' LIMIT 1")[0]
    node = demo_run.explain(fill["id"])
    (trades,) = [each for each in nodes_of(node) if each.kind == "trades"]
    lines = list(demo_run.lines[trades.row["partition"]])
    number = trades.frames[0].offset
    field = f'"{SIZES[trades.row["partition"]]}":"'.encode()
    lines[number] = lines[number].replace(field, field + b"1", 1)
    (tmp_path / f"{trades.row['partition']}.tape").write_bytes(b"\n".join(lines))
    command = ["explain", fill["id"], "--tapes", tmp_path, "--results", results]
    code = main([*map(str, command)])
    captured = capsys.readouterr()
    assert code == 1
    assert "but the bar has" in captured.out
    assert "not all of it is there, or agrees" in captured.err


def nodes_of(node):
    """Yield a node and all below it."""
    yield node
    for each in node.causes:
        yield from nodes_of(each)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--every", "filles"], 1, "filles cannot be explained: name all, or fills, orders"),
        (["abcdef", "--every", "fills"], 2, "name ID, or facts by --every, not both"),
        (["gaps/binance-0:1"], 1, "table gaps has no binance-0:1"),
        (["late_trades/binance-0:1/7"], 1, "table late_trades has no binance-0:1/7"),
    ],
    ids=str,
)
def test_misuse_is_one_line(results, capsys, arguments, code, line):
    assert main(["explain", *arguments, "--results", str(results)]) == code
    assert line in capsys.readouterr().err


def test_without_the_log_every_fact_is_explained_and_none_is_whole(results, capsys):
    assert main(["explain", "--every", "refusals", "--results", str(results)]) == 1
    captured = capsys.readouterr()
    assert "no frames are shown" in captured.err
    assert " ".join(captured.out.split()).count("refusals 25 not compared: no log 0") == 1
