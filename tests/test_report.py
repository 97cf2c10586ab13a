"""The report as a page: what is in it, that it requests nothing, and that it says what it leaves out."""

import json
import re
import shutil

import duckdb
import pytest

from tapeflow.connectors.duckdb.flight import QueryServer
from tapeflow.connectors.duckdb.tables import INTERNAL
from tapeflow.flows.cli.main import main
from tapeflow.flows.report import assets
from tapeflow.flows.report.render import SCRIPTS, render
from tests.page_reading import ReadPage
from tests.reporting import BEGIN_NS, EVIL, HOUR_NS, JOB, create_results, invent, put
from tests.running import digest

SECTIONS = [
    "overview", "equity", "candles", "exposure", "profit", "trips", "returns", "statistics", "execution",
    "refusals", "states", "quality", "run",
]  # fmt: skip


@pytest.fixture(scope="module")
def demo(demo_run, tmp_path_factory):
    """A copy of the demo's results: those are open in this process, which opens no file twice."""
    path = tmp_path_factory.mktemp("report") / "demo.duckdb"
    shutil.copyfile(demo_run.results, path)
    return path


@pytest.fixture(scope="module")
def page(demo):
    """The page of the demo."""
    return ReadPage(render(demo))


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Results of 40 days with a strategy whose name is markup."""
    path = tmp_path_factory.mktemp("report") / "days.duckdb"
    invent(path, days=40)
    return path


@pytest.fixture(scope="module")
def days_page(days):
    """The page of 40 days."""
    return ReadPage(render(days))


def test_a_page_has_each_section_once_under_its_heading(page):
    assert page.ids("section") == SECTIONS
    assert [each for each in page.ids("h2") if each != "why-title"] == [
        f"{name}-title" for name in SECTIONS
    ]
    links = [each["href"] for tag, each in page.elements if tag == "a" and "href" in each]
    assert [link for link in links if link[1:] in SECTIONS] == [f"#{name}" for name in SECTIONS]


def test_a_page_names_nothing_to_load(page):
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert not {"src", "srcset", "background"} & attributes.keys()
        href = attributes.get("href", "#")
        assert href.startswith("#") or href == "https://www.tradingview.com/"
    styles = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert styles and not any("url(" in style or "@import" in style for style in styles)
    policy = next(each["content"] for tag, each in page.elements if "http-equiv" in each)
    assert policy.startswith("default-src 'none'; ")
    own = [
        text
        for attributes, text in page.scripts
        if not attributes and text != assets.read(assets.LIBRARY)
    ]
    assert len(own) == len(SCRIPTS) - 1
    assert not any("http" in text or "fetch(" in text or "import(" in text for text in own)


def test_the_same_results_give_the_same_bytes(page, demo):
    assert render(demo) == page.text


def test_a_page_names_its_log_its_job_and_its_digest(page, demo):
    words = page.words()
    assert digest(demo) in words
    assert "2026-01-05 09:00:00 to 2026-01-05 09:04:59.999 UTC" in words
    assert "trend, reversion" in words and "TradingView" in words
    assert "tapeflow digest again.duckdb" in words


def test_a_short_log_has_no_daily_statistic_and_says_why(page):
    words = page.words()
    assert re.search("Sharpe ratio .* not defined: fewer than 3 days", words)
    assert "not defined: fewer than 2 days" in words
    assert not re.search(r"\b(nan|inf|None|NULL)\b", words)


def test_a_name_is_text_wherever_it_stands(days_page):
    assert not [tag for tag, _ in days_page.elements if tag == "b"]
    assert EVIL.replace("\u2028", " ") in days_page.words()
    assert EVIL in json.dumps(days_page.chains(), ensure_ascii=False)


def test_each_fill_of_the_page_leads_to_its_bar(page, demo_run):
    chains = page.chains()["tables"]

    def row(step, name):
        return dict(zip(chains[step]["names"], chains[step]["rows"][name], strict=True))

    fills = demo_run.ids("SELECT id FROM fills")
    assert len(fills) > 40 and set(chains["fill"]["rows"]) == set(fills)
    for name in fills:
        order = row("order", row("fill", name)["order_id"])
        decision = row("decision", order["id"])
        assert decision["decision"] == "APPROVED" and json.loads(decision["checks"])
        signal = row("signal", order["signal_id"])
        bar = row("bar", signal["bar_id"])
        assert float(bar["close"]) == pytest.approx(float(order["ref_price"]))


def test_each_refusal_of_the_page_has_its_findings(page, demo_run):
    denied = demo_run.ids("SELECT order_id FROM decisions WHERE decision = 'DENIED'")
    rows = page.chains()["tables"]["decision"]["rows"]
    assert len(denied) > 10 and set(denied) <= set(rows)


def test_every_link_to_an_explanation_leads_to_one(page):
    links = {
        attributes["href"].removeprefix("#why-")
        for tag, attributes in page.elements
        if tag == "a" and attributes.get("href", "").startswith("#why-")
    }
    tables = page.chains()["tables"]
    assert len(links) > 60
    assert links <= {*tables["fill"]["rows"], *tables["decision"]["rows"]}


def test_links_have_names_that_say_where_they_lead(page):
    names = [
        each["aria-label"]
        for tag, each in page.elements
        if each.get("href", "").startswith("#why-")
    ]
    assert names and all(name.startswith("explain ") for name in names)


@pytest.mark.slow
def test_a_page_says_what_it_leaves_out(tmp_path):
    invent(tmp_path / "long.duckdb", days=420, strategies=("one", "two"))
    page = ReadPage(render(tmp_path / "long.duckdb"))
    found = re.findall(r"The last ([\d,]+) of ([\d,]+) (fills|round trips)", page.words())
    assert {kind for _, _, kind in found} == {"fills", "round trips"}
    assert all(
        int(shown.replace(",", "")) < int(number.replace(",", "")) for shown, number, _ in found
    )
    assert len(page.tables["Round trips, the latest first"]) == 1000
    times, _ = page.line("total")
    assert len(times) <= 5000 and "10,080 points, drawn by the first" in page.words()


def test_results_of_an_earlier_version_say_which_views_they_lack(days, tmp_path):
    old = tmp_path / "old.duckdb"
    shutil.copyfile(days, old)
    with duckdb.connect(str(old)) as con:
        for view in ("tearsheet", "hit_rate", "round_trips"):
            con.execute(f"DROP VIEW {view}")
    page = ReadPage(render(old))
    assert "Not in these results: tearsheet. An earlier version made the file" in page.words()
    assert page.ids("section") == SECTIONS


def test_results_without_a_fill_make_a_page(tmp_path):
    create_results(tmp_path / "empty.duckdb", JOB, ["C0-USDT.BINANCE"]).close()
    page = ReadPage(render(tmp_path / "empty.duckdb"))
    assert page.ids("section") == SECTIONS
    assert "No bars are stored." in page.words()


def test_states_are_drawn_over_the_time_of_the_log(days, tmp_path):
    path = tmp_path / "states.duckdb"
    shutil.copyfile(days, path)
    middle = BEGIN_NS + 20 * 24 * HOUR_NS
    with duckdb.connect(str(path)) as con:
        put(con, f"{INTERNAL}.states", [
            {"seq": 1, "scope": "account:main", "time": middle, "partition": "", "offset": 0, "before": "ACTIVE",
             "state": "HALTED", "event": "CHANGED", "cause": "rule", "rule": "DRAWDOWN", "by": "",
             "observed": "0.2", "limit": "0.1", "detail": ""},
        ])  # fmt: skip
    page = ReadPage(render(path))
    (state,) = [each for tag, each in page.elements if each.get("class") == "state halted"]
    left, width = (float(each) for each in re.findall(r"([\d.]+)%", state["style"]))
    assert left == pytest.approx(50, abs=0.2) and width == pytest.approx(50, abs=0.2)
    assert page.tables["Changes of trading states"][0]["rule"] == "DRAWDOWN"
    assert "tapeflow explain states/1" in page.words()


def test_a_sweep_is_a_heat_map_of_its_parameters(days, tmp_path):
    path = tmp_path / "sweep.duckdb"
    shutil.copyfile(days, path)
    cells = {(fast, slow): fast * 10 - slow for fast in (5, 12) for slow in (20, 100)}
    ranked = sorted(cells, key=lambda cell: -cells[cell])
    with duckdb.connect(str(path)) as con:
        put(con, f"{INTERNAL}.variants", [
            {"rank": rank + 1, "variant": f"trend/{fast},{slow}", "strategy": "trend", "fold": 0, "sample": "all",
             "parameters": json.dumps({"fast": fast, "slow": slow}), "begin_time": BEGIN_NS, "end_time": BEGIN_NS,
             "days": 40, "trades": 7, "profit": cells[fast, slow], "sharpe": cells[fast, slow] / 10,
             "deflated_sharpe": 0.5, "facts": False, "note": ""}
            for rank, (fast, slow) in enumerate(ranked)
        ])  # fmt: skip
    page = ReadPage(render(path))
    rows = page.tables["trend: Sharpe ratio"]
    assert [row["fast \\ slow"] for row in rows] == ["5", "12"]
    found = {
        (int(row["fast \\ slow"]), int(slow)): row[slow] for row in rows for slow in ("20", "100")
    }
    assert found == {
        cell: f"{value / 10:.2f}".replace("-", "\u2212") for cell, value in cells.items()
    }
    assert page.tables["Variants, the best first"][0]["variant"] == "trend/12,20"
    assert "Bailey and Lopez de Prado" in page.words()


# --- the command ------------------------------------------------------------------------------


def test_the_command_writes_the_page(demo, page, tmp_path, capsys):
    out = tmp_path / "out.html"
    assert main(["report", "--results", str(demo), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == page.text
    assert capsys.readouterr().out.startswith(f"{out}: 0.")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--results", "none.duckdb"], 1, "none.duckdb does not exist"),
        (["--results", "RESULTS", "--out", "RESULTS"], 2, "is the results file"),
        (["--results", "RESULTS", "--against", "RESULTS"], 2, "is the same file"),
        (["--results", "RESULTS", "--out", "no/such/folder.html"], 1, "cannot write"),
    ],
)
def test_the_command_refuses_in_one_line(
    demo, tmp_path, monkeypatch, capsys, arguments, code, line
):
    monkeypatch.chdir(tmp_path)
    before = demo.read_bytes()
    given = [str(demo) if each == "RESULTS" else each for each in arguments]
    assert main(["report", *given]) == code
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1
    assert demo.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_a_running_flow_makes_the_page_from_what_it_has_committed(days, tmp_path):
    copied = tmp_path / "copied.duckdb"
    shutil.copyfile(days, copied)
    with duckdb.connect(str(copied)) as con:
        con.execute("SET TimeZone = 'UTC'")
        server = QueryServer(con, tmp_path / "running.duckdb")
        try:
            page = ReadPage(render(tmp_path / "running.duckdb"))
        finally:
            server.close()
    words = page.words()
    assert "The flow runs: the page shows its facts up to when it was made." in words
    assert "none while the flow runs" in words
    finished = ReadPage(render(days))
    assert page.line("total")[1].tolist() == finished.line("total")[1].tolist()
    assert page.instruments() == finished.instruments()
    assert (
        page.tables["Round trips, the latest first"]
        == finished.tables["Round trips, the latest first"]
    )
