"""Who may see the page of `tapeflow serve`, by real sockets; and how it starts and ends."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tapeflow.flows.cli.main import main
from tapeflow.schemas.errors import UsageError
from tests.running import ROOT
from tests.serving import messages, start_server

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from tapeflow.flows.serve.auth import Doorkeeper, choose_token

PATHS = ["/", "/state", "/bars?instrument=BTC-USDT.BINANCE", "/assets/main.js", "/explain/abcdef",
         "/stream?instrument=BTC-USDT.BINANCE", "/nothing"]  # fmt: skip


@pytest.fixture(scope="module")
def site(demo_run):
    with start_server(demo_run.results) as site:
        yield site


@pytest.fixture(scope="module")
def client(site):
    with site.client() as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_nothing_is_shown(site, path):
    answer = httpx.get(site.base + path)
    assert answer.status_code == 401
    assert "tapeflow serve" in answer.text


@pytest.mark.parametrize("token", ["", "wrong", "ü", "x" * 9_000])
def test_a_wrong_token_is_refused(site, token):
    answer = httpx.get(site.base, params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_wrong_cookie_is_refused(site):
    for value in ("", "0" * 64, site.token):
        cookie = {"Cookie": f"tapeflow_{site.port}={value}"}
        assert httpx.get(f"{site.base}/state", headers=cookie).status_code == 401


@pytest.mark.parametrize("odd", ['prefs={"a":"b"}', "a[1]=x", "alone", "=", "a=b=c", '"'])
def test_odd_cookies_of_the_same_host_lock_nobody_out(site, odd):
    ours = httpx.get(site.url).headers["set-cookie"].partition(";")[0]
    for cookies in (f"{odd}; {ours}", f"{ours};{odd}"):
        assert httpx.get(f"{site.base}/state", headers={"Cookie": cookies}).status_code == 200
    assert httpx.get(f"{site.base}/state", headers={"Cookie": odd}).status_code == 401


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(site):
    answer = httpx.get(site.url)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert site.token.lower() not in cookie


@pytest.mark.parametrize(
    ("host", "code"),
    [("evil.example", 421), ("127.0.0.1.evil.example", 421), ("10.0.0.1", 421), ("", 421),
     ("localhost:9", 200), ("127.0.0.1", 200), ("[::1]:8080", 200)],
)  # fmt: skip
def test_a_name_that_another_site_points_here_is_refused(client, host, code):
    assert client.get("/state", headers={"Host": host}).status_code == code


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_allowed(client, method):
    assert client.request(method, "/state").status_code == 405


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers_of_security(client, site, path):
    stranger = {"Cookie": f"tapeflow_{site.port}=none"}
    for headers in ({}, stranger):
        with client.stream("GET", path, headers=headers) as answer:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/bars?instrument=x'%20OR%201=1--", 404),
        ("/bars?instrument=BTC-USDT.BINANCE&before=1;DROP%20TABLE%20bars", 400),
        ("/bars?instrument=BTC-USDT.BINANCE&limit=99999999", 400),
        ("/bars?instrument=BTC-USDT.BINANCE&limit=-1", 400),
        ("/bars?instrument=BTC-USDT.BINANCE&before=%D9%A3", 400),
        ("/stream?instrument=BTC-USDT.BINANCE&after=%7B%22bars%22:7%7D", 400),
        ("/stream?instrument=BTC-USDT.BINANCE&after=" + "x" * 20_000, 400),
        ("/assets/..%2f..%2fauth.py", 404),
        ("/assets/../app.py", 404),
        ("/explain/x'%3B%20DROP%20TABLE%20fills--", 404),
        ("/explain/%3Cscript%3Ealert(1)%3C/script%3E", 404),
        ("/explain/" + "a" * 300, 400),
    ],
)
def test_hostile_requests_get_a_refusal_and_break_nothing(client, path, code):
    answer = client.get(path)
    assert answer.status_code == code
    assert "<script>alert" not in answer.text
    assert client.get("/state").json()["snapshot"]["counts"]["fills"] > 0


def test_a_place_with_names_of_sql_is_read_as_names(client):
    state = client.get("/state").json()
    place = '{"generation":%s,"bars":{"x\') OR (1=1":[1,1,1]},"fills":{"a\'b":1},"equity":{}}'
    began = state["id"].partition('"generation":')[2].partition(",")[0]
    _, body = next(messages(client, "BTC-USDT.BINANCE", 1, place % began))
    assert not body.get("error")
    assert len(body["fills"]) == state["snapshot"]["counts"]["fills"]


def test_a_token_that_is_short_and_an_open_address_without_one_are_refused():
    with pytest.raises(UsageError, match="lets other machines in"):
        choose_token(None, "0.0.0.0")
    with pytest.raises(UsageError, match="at least 24"):
        choose_token("x" * 23, "127.0.0.1")
    assert choose_token("x" * 24, "0.0.0.0") == "x" * 24
    assert len({choose_token(None, "127.0.0.1") for _ in range(9)}) == 9
    assert not Doorkeeper("x" * 24, "0.0.0.0", 1).is_our_name("evil.example")
    assert Doorkeeper("x" * 24, "0.0.0.0", 1).is_our_name("192.168.1.7:8080")


def test_a_taken_port_is_one_line(capsys, demo_run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--results", str(demo_run.results), "--port", port]) == 1
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert f"port {port} of 127.0.0.1 is taken" in written.err


def test_results_that_are_not_there_are_one_line(capsys, tmp_path):
    assert main(["serve", "--results", str(tmp_path / "none.duckdb"), "--port", "0"]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_missing_library_is_one_line(demo_run):
    hidden = "import sys; sys.modules['uvicorn'] = None; import tapeflow.flows.cli.main as m; " \
             "sys.exit(m.main(sys.argv[1:]))"  # fmt: skip
    command = [sys.executable, "-c", hidden, "serve", "--results", str(demo_run.results)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'tapeflow[see]'" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_two_seconds_also_with_open_streams(demo_run, number):
    with start_server(demo_run.results) as site, site.client() as one, site.client() as other:
        streams = [messages(each, "BTC-USDT.BINANCE", 99) for each in (one, other)]
        assert all(next(stream)[1]["error"] == "" for stream in streams)
        code, seconds = site.stop(number)
        assert code == 0
        assert seconds < 2
        for stream in streams:
            stream.close()
