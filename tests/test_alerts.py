"""Alerts: delivered to a receiver that fails, hangs and comes back, and never in the flow's way."""

import gzip
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.duckdb.lock import exclusive_lock
from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.alerts.alert import Place, make_alert
from tapeflow.flows.alerts.alerting import Alerting
from tapeflow.flows.alerts.record import SENT_MAX, Record
from tapeflow.flows.alerts.sender import PAUSE_MAX_S, Sender
from tapeflow.flows.job.alerts import Alerts
from tapeflow.flows.job.settings import load
from tapeflow.flows.run.observing import sends_alerts
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.start import add_topics
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.schemas.errors import TapeflowError, UsageError
from tests.receiving import receiving
from tests.running import REFERENCE, ROOT, job_of, silent
from tests.test_log_lines import child_pids

S = 10**9
MS = 10**6
CRASH = ROOT / "docs" / "scenarios" / "flash_crash"  # its account is halted and closed


def alert(number=0, text="something happened"):
    return make_alert("state", "critical", text, ("test", number), {"seq": number})


def sender(url, lines=None, delivered=None, **more):
    """A sender of quick retries."""
    given_settings = {"timeout": 300 * MS, "backoff": 10 * MS, **more}
    notify = silent if lines is None else lines.append
    delivered = (lambda _: None) if delivered is None else delivered.append
    return Sender(
        Alerts(webhook=url).model_copy(update=given_settings),
        lambda each: {"id": each.id, "text": each.text},
        delivered,
        notify,
    )


def plan_of(folder, tmp_path, receiver, **more):
    """A replay that sends alerts."""
    job = load(folder / "job.toml", {})
    update = {"webhook": receiver.url, "replays": True, "backoff": 10 * MS, "timeout": S}
    job = job.model_copy(update={"alerts": job.alerts.model_copy(update={**update, **more})})
    return Plan(
        command="replay", log=find_tapes([folder / "tapes"], job), job=job,
        results=tmp_path / "r.duckdb", state=tmp_path / "state",
    )  # fmt: skip


# --- one alert ------------------------------------------------------------------------------


def test_an_alert_arrives_once_with_its_id_as_the_key():
    delivered = []
    with receiving() as receiver:
        sending = sender(receiver.url, delivered=delivered)
        sending.add(alert())
        receiver.wait(1)
        sending.close(1)
        ((_, path, headers, payload),) = receiver.requests
    assert (path, headers["Idempotency-Key"]) == ("/hook/secret-path", alert().id)
    assert headers["Content-Type"] == "application/json"
    assert payload["text"] == "something happened"
    assert [each.id for each in delivered] == [alert().id]
    assert (sending.sent, sending.failed, sending.dropped) == (1, 0, 0)


def test_a_receiver_that_fails_and_recovers_gets_the_same_id_again():
    lines = []
    with receiving(503, 500, 429) as receiver:
        sending = sender(receiver.url, lines)
        sending.add(alert())
        receiver.wait(1)
        sending.close(1)
        keys = [headers["Idempotency-Key"] for _, _, headers, _ in receiver.requests]
    assert keys == [alert().id] * 4
    assert (sending.sent, sending.failed, sending.dropped) == (1, 3, 0)
    assert [each.event for each in lines] == ["alerts_failing", "alerts_recovered"]
    assert "127.0.0.1: HTTP 503" in lines[0]
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_receiver_that_answers_too_slowly_is_left_at_the_timeout(answer):
    with receiving(answer) as receiver:
        sending = sender(receiver.url)
        began = time.monotonic()
        sending.add(alert())
        receiver.wait(1)
        assert 0.3 <= time.monotonic() - began < 2
        sending.close(1)
    assert (sending.sent, sending.failed) == (1, 1)


def test_nobody_there_is_tried_again_and_then_given_up():
    lines = []
    with receiving() as receiver:
        url = receiver.url
    sending = sender(url, lines, retries=2)
    sending.add(alert())
    deadline = time.monotonic() + 10
    while not sending.dropped:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sending.close(1)
    assert (sending.sent, sending.failed, sending.dropped) == (0, 3, 1)
    assert lines[-1].endswith("an alert is given up")


def test_a_certificate_of_nobody_known_is_a_failure_that_says_so(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    pem = signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "both.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    lines = []
    with receiving(tls=context) as receiver:
        sending = sender(receiver.url, lines, retries=1)
        sending.add(alert())
        sending.close(5)
        assert receiver.requests == []
    assert sending.dropped == 1
    assert "certificate verify failed" in lines[0].lower()


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_a_refusal_for_good_is_not_tried_again_and_the_next_alert_is_sent(status):
    with receiving(status) as receiver:
        sending = sender(receiver.url)
        sending.add(alert(0))
        sending.add(alert(1))
        receiver.wait(1)
        sending.close(1)
        assert receiver.ids == [alert(1).id]
    assert (sending.sent, sending.failed, sending.dropped) == (1, 1, 1)


def test_pauses_double_and_are_shortened_by_at_most_half():
    with receiving(*[500] * 5) as receiver:
        sending = sender(receiver.url, backoff=40 * MS)
        sending.add(alert())
        receiver.wait(1)
        sending.close(1)
        times = [at for at, *_ in receiver.requests]
    gaps = [after - before for before, after in pairwise(times)]
    for number, gap in enumerate(gaps):
        assert 0.5 * 0.04 * 2**number <= gap <= 0.04 * 2**number + 0.25


def test_no_pause_is_longer_than_a_minute(monkeypatch):
    waits = []
    sending = sender("http://127.0.0.1:1/")
    monkeypatch.setattr(sending.changed, "wait_for", lambda _, timeout: waits.append(timeout))
    for attempt in (0, 5, 50, 99):
        sending._pause(attempt, 0.0)
    assert max(waits) <= PAUSE_MAX_S
    assert min(waits) >= 0.005


def test_the_pause_that_a_receiver_wants_is_made():
    with receiving(429, header=("Retry-After", "1")) as receiver:
        sending = sender(receiver.url)
        sending.add(alert())
        receiver.wait(1)
        sending.close(1)
        (first, *_), (second, *_) = receiver.requests
    assert second - first >= 1


# --- the queue ------------------------------------------------------------------------------


def test_adding_never_waits_and_what_has_no_room_is_counted():
    lines = []
    with receiving("hang") as receiver:
        sending = sender(receiver.url, lines, queue=10, timeout=5 * S)
        began = time.monotonic()
        for number in range(5000):
            sending.add(alert(number))
        assert time.monotonic() - began < 1
        assert sending.dropped == 4990
        began = time.monotonic()
        sending.close(0.2)
        assert time.monotonic() - began < 1
        full = [line for line in lines if line.event == "alerts_full"]
        assert len(full) == 1, "it is said once"
        assert lines[-1] == "10 alerts were not sent to 127.0.0.1"
        assert sending.dropped == 5000


@settings(max_examples=15, deadline=None)
@given(
    answers=st.lists(st.sampled_from([200, 404, 500, 503]), max_size=12),
    count=st.integers(1, 8),
    queue=st.integers(1, 8),
)
def test_every_alert_is_sent_or_counted_as_dropped_and_they_stay_in_order(answers, count, queue):
    with receiving(*answers) as receiver:
        sending = sender(receiver.url, queue=queue, retries=1, backoff=MS)
        for number in range(count):
            sending.add(alert(number))
        sending.close(10)
        order = [alert(number).id for number in range(count)]
        assert receiver.ids == [each for each in order if each in receiver.ids]
        assert sending.sent == len(receiver.ids)
        assert sending.sent + sending.dropped == count
        assert sending.failed == len(receiver.requests) - sending.sent


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=50), st.text(), st.text())
def test_ids_follow_from_what_happened_and_from_nothing_else(numbers, name, other):
    def ids(state):
        return [
            make_alert("state", "info", random.choice("ab"), (state, each), {}).id
            for each in numbers
        ]

    assert ids(name) == ids(name)
    assert len({*ids(name)}) == len(numbers)
    assert name == other or not {*ids(name)} & {*ids(other)}


# --- the record -----------------------------------------------------------------------------


def test_a_record_is_read_again_and_a_damaged_one_begins_anew(tmp_path):
    record = Record(tmp_path)
    placed = make_alert("state", "info", "", ("x", 7), {}, Place("states", 7))
    record.add(placed)
    record.add(alert(1))
    again = Record(tmp_path)
    assert (again.name, again.is_new) == (record.name, False)
    assert again.holds(placed) and again.holds(alert(1)) and not again.holds(alert(2))
    earlier = make_alert("state", "info", "", ("x", 3), {}, Place("states", 3))
    assert again.holds(earlier), "places are reached in order"
    (tmp_path / "alerts.json").write_text("{")
    assert Record(tmp_path).is_new


def test_a_record_does_not_grow_without_bound(tmp_path):
    record = Record(tmp_path)
    for number in range(3 * SENT_MAX):
        record.add(alert(number))
    assert len(Record(tmp_path).sent) == SENT_MAX


# --- a run ----------------------------------------------------------------------------------


def test_a_run_sends_each_change_of_state_once_over_all_its_starts(tmp_path):
    with receiving() as receiver:
        plan = plan_of(CRASH, tmp_path, receiver)
        run_plan(plan, silent, silent)
        first = list(receiver.accepted)
        run_plan(plan, silent, silent)
        assert receiver.accepted == first, "nothing is sent again"
    with duckdb.connect(str(plan.results)) as con:
        states = con.sql("SELECT scope, event, state FROM states ORDER BY seq").fetchall()
    details = [each["details"] for each in first]
    assert [(each["scope"], each["event"], each["state"]) for each in details] == states
    halted = next(each for each in first if each["details"]["state"] == "HALTED")
    assert halted["severity"] == "critical"
    assert "account:main: ACTIVE -> HALTED (DAILY_LOSS)" in halted["text"]
    assert halted["run"]["number"] == 1
    assert halted["run"]["command"] == "replay"


def test_what_was_delivered_but_not_recorded_comes_again_with_the_same_ids(tmp_path):
    with receiving() as receiver:
        plan = plan_of(CRASH, tmp_path, receiver)
        run_plan(plan, silent, silent)
        first = receiver.ids
        record = Record(plan.state)
        record.reached = {}  # as after a kill between the delivery and the record
        record.write()
        run_plan(plan, silent, silent)
        assert receiver.ids == first * 2


def test_what_a_dead_receiver_missed_is_sent_by_the_next_start(tmp_path):
    lines = []
    with receiving(*[500] * 1000) as receiver:
        plan = plan_of(CRASH, tmp_path, receiver)
        began = time.monotonic()
        run_plan(plan, silent, lines.append)
        took = time.monotonic() - began
        assert receiver.ids == []
        receiver.answers.clear()
        run_plan(plan, silent, silent)
        assert len(receiver.ids) == 7
    assert any("given up" in line or "not sent" in line for line in lines)
    assert took < 15


def test_alerts_that_begin_under_a_state_say_nothing_of_before(tmp_path):
    lines = []
    with receiving() as receiver:
        plan = plan_of(CRASH, tmp_path, receiver)
        without = plan.job.model_copy(update={"alerts": Alerts()})
        run_plan(Plan(**{**fields(plan), "job": without}), silent, silent)
        run_plan(plan, silent, lines.append)
        assert receiver.ids == []
    assert "alerts begin now: 7 of earlier runs are not sent" in lines


def fields(plan):
    return {name: getattr(plan, name) for name in plan.__struct_fields__}


def test_only_the_events_of_the_job_are_sent(tmp_path):
    with receiving() as receiver:
        run_plan(plan_of(CRASH, tmp_path, receiver, events=("restart",)), silent, silent)
        assert receiver.requests == []


def test_a_run_that_fails_says_so_and_one_of_a_replay_only_where_it_may(tmp_path):
    with receiving() as receiver:
        plan = plan_of(CRASH, tmp_path, receiver)
        with exclusive_lock(plan.results), pytest.raises(TapeflowError) as raised:
            run_plan(plan, silent, silent)
        (payload,) = receiver.accepted
    assert (payload["event"], payload["severity"]) == ("failed", "critical")
    assert payload["details"]["error"] == str(raised.value)
    quiet = plan.job.model_copy(update={"alerts": Alerts(webhook="http://x/")})
    assert not sends_alerts(Plan(command="replay", log=plan.log, job=quiet, results=plan.results))
    live = {"a-0": TopicPartition("raw.a", 0, None)}
    assert sends_alerts(Plan(command="run", log=live, job=quiet, results=plan.results))


@pytest.mark.parametrize("command", ["run", "archive"])
def test_a_start_that_finds_no_broker_is_an_alert(tmp_path, command):
    shape = ["--results", tmp_path / "r.duckdb"] if command == "run" else [tmp_path / "archive"]
    with receiving() as receiver:
        done = subprocess.run(
            [sys.executable, "-m", "tapeflow", command, *shape, "--bootstrap", "127.0.0.1:1"],
            cwd=ROOT, check=False, capture_output=True, text=True,
            env={
                **os.environ, "TAPEFLOW_ALERTS_WEBHOOK": receiver.url,
                "TAPEFLOW_KAFKA_CONNECT_TIMEOUT": "100ms",
            },
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (payload,) = receiver.accepted
    assert (payload["event"], payload["severity"]) == ("failed", "critical")
    assert payload["details"]["error"] in done.stderr
    assert payload["run"]["command"] == command


def test_each_start_that_fails_has_an_id_of_its_own_and_what_has_an_end_sends_none(tmp_path):
    kafka = {"bootstrap": "127.0.0.1:1", "connect_timeout": 10 * MS}
    with receiving() as receiver:
        job = job_of(kafka=kafka, alerts={"webhook": receiver.url})
        plan = Plan(command="run", log={}, job=job, results=tmp_path / "r.duckdb")
        for tail in (True, False, True):
            with pytest.raises(TapeflowError, match=r"127\.0\.0\.1:1"):
                add_topics(plan, silent, tail=tail)
    first, second = receiver.accepted
    assert first["id"] != second["id"]
    assert first["run"]["id"] != second["run"]["id"]


def live_alerting(receiver, tmp_path, notify=silent):
    """The alerts of a run that follows two partitions; nothing runs."""
    log = {name: TopicPartition("raw.a", 0, None) for name in ("a-0", "a-1")}
    job = job_of(alerts={"webhook": receiver.url})
    plan = Plan(
        command="run", run_id="r", log=log, job=job, results=tmp_path / "r.duckdb", state=tmp_path
    )
    alerts, progress = Alerting(plan, notify), Progress(tuple(log), S)
    alerts.watch(plan, progress)
    return alerts, progress


def test_a_stalled_partition_and_a_restart_are_one_alert_each(tmp_path):
    with receiving() as receiver:
        alerts, progress = live_alerting(receiver, tmp_path)
        progress.update("a-0", 5 * S, 3)
        progress.set_behind("a-0", 3 * S)
        for _ in range(3):
            alerts.look()
        progress.restarts, progress.restart_cause = 1, "process 0 was killed by SIGKILL"
        alerts.look()
        receiver.wait(2)
        alerts.close()
        assert [each["event"] for each in receiver.accepted] == ["stalled", "restart"]
        assert "a-0 holds the desk" in receiver.accepted[0]["text"]
        assert receiver.accepted[1]["details"] == {
            "restarts": 1, "cause": "process 0 was killed by SIGKILL",
        }  # fmt: skip
        again, progress = live_alerting(receiver, tmp_path)
        progress.update("a-0", 5 * S, 3)
        progress.set_behind("a-0", 9 * S)
        again.look()
        again.close()
        assert len(receiver.accepted) == 2, "the same stall, after a crash"


def test_many_dead_letters_of_a_minute_are_one_alert(tmp_path):
    tapes = tmp_path / "tapes"
    tapes.mkdir()
    tape = REFERENCE / "golden-heartbeat" / "binance-0.tape.gz"
    good = gzip.decompress(tape.read_bytes()).splitlines()
    broken = [line.partition(b" ")[0] + b" {broken" for line in good[:40]]
    (tapes / "binance-0.tape").write_bytes(b"\n".join([*broken, *good[40:80]]) + b"\n")
    with receiving() as receiver:
        for most, expected in ((39, 1), (40, 0)):
            job = job_of(
                alerts={"webhook": receiver.url, "replays": True, "dead_letters_max": most}
            )
            receiver.accepted.clear()
            results = tmp_path / f"{most}.duckdb"
            plan = Plan(command="replay", log=find_tapes([tapes], job), job=job, results=results)
            run_plan(plan, silent, silent)
            events = [each["event"] for each in receiver.accepted]
            assert events == ["dead_letters"] * expected
            if expected:
                assert receiver.accepted[0]["details"]["frames"] == 40


# --- secrets and settings -------------------------------------------------------------------


def test_the_address_and_headers_stand_in_no_table_and_no_line(tmp_path):
    lines = []
    with receiving(500) as receiver:
        plan = plan_of(CRASH, tmp_path, receiver, headers={"Authorization": "Bearer sesame"})
        run_plan(plan, silent, lines.append)
        assert receiver.requests[0][2]["Authorization"] == "Bearer sesame"
    with duckdb.connect(str(plan.results)) as con:
        ((job,),) = con.sql("SELECT job::VARCHAR FROM runs").fetchall()
    written = job + "".join(lines)
    for path in plan.state.rglob("*.json"):
        written += path.read_text()
    assert "secret-path" not in written
    assert "sesame" not in written
    assert '"alerts"' in job


@pytest.mark.parametrize(
    "url", ["example.com/secret", "ftp://example.com/secret", "http://", "http://u:secret@x/",
            "http://x:99999/secret", "http://x/sec ret", "http://x/secret\n/hook", "http://x/secr\xe9t",
            "http://x/secret\x7f"]
)  # fmt: skip
def test_an_address_that_is_none_is_refused_and_not_repeated(url):
    with pytest.raises(UsageError, match=r"alerts\.webhook: ") as raised:
        load(Path(ROOT / "jobs" / "demo.toml"), {"TAPEFLOW_ALERTS_WEBHOOK": url})
    assert "sec" not in str(raised.value).partition("alerts.webhook: ")[2]


@pytest.mark.parametrize(
    "headers", [{"X-Key": "secret\r\nX-More: 1"}, {"X-Key": "secret\x00"}, {"X-Key": "secr\u20act"},
                {"X Secret": "1"}, {"X-Key:": "secret"}, {"": "secret"}]
)  # fmt: skip
def test_a_header_that_is_none_is_refused_and_its_value_not_repeated(headers):
    variables = {"TAPEFLOW_ALERTS_HEADERS": json.dumps(headers)}
    with pytest.raises(UsageError, match=r"alerts\.headers: .*header|value of X-Key") as raised:
        load(Path(ROOT / "jobs" / "demo.toml"), variables)
    assert "secr" not in str(raised.value).lower()
    assert "\n" not in str(raised.value)


def test_spaces_around_an_address_and_a_value_are_no_part_of_them():
    alerts = Alerts(webhook=" http://x/hook \n", headers={"X-Key": " a b\n"})
    assert (alerts.webhook, alerts.headers) == ("http://x/hook", {"X-Key": "a b"})


@pytest.mark.parametrize(
    ("more", "headers"),
    [("?secr et", {}), ("", {"X-Key": "secret\n"}), ("", {"X-Key": "secr\u20act"})],
)
def test_what_cannot_be_sent_is_given_up_and_the_line_does_not_repeat_it(more, headers):
    """Settings that were not checked: a second line of defence."""
    lines = []
    with receiving() as receiver:
        each = sender("", lines, webhook=receiver.url + more, headers=headers)
        each.add(alert())
        each.close(5)
        assert receiver.requests == []
    (line,) = lines
    assert "an alert is given up" in line
    assert "secr" not in line


def test_a_receiver_that_hangs_does_not_delay_a_run(tmp_path):
    with receiving(*["hang"] * 100) as receiver:
        plan = plan_of(CRASH, tmp_path, receiver, timeout=60 * S)
        began = time.monotonic()
        run_plan(plan, silent, silent)
        assert time.monotonic() - began < 30, "the half of one timeout"


# --- kills ----------------------------------------------------------------------------------


def start(tmp_path, receiver, *shape):
    """Start a replay that sends alerts, in a process of its own; slow enough to be killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "tapeflow", "replay", str(CRASH / "tapes"),
         "--config", str(CRASH / "job.toml"), "--results", str(tmp_path / "r.duckdb"),
         "--state", str(tmp_path / "state"), "--speed", "20x", *shape],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={
            **os.environ, "TAPEFLOW_ALERTS_WEBHOOK": receiver.url,
            "TAPEFLOW_ALERTS_REPLAYS": "true", "TAPEFLOW_RECOVERY_EPOCH": "100ms",
        },
    )  # fmt: skip


@pytest.mark.slow
def test_killed_and_started_again_a_run_sends_each_change_once_or_again_with_its_id(tmp_path):
    with receiving() as receiver:
        for _ in range(2):
            running = start(tmp_path, receiver)
            seen = len(receiver.accepted)
            deadline = time.monotonic() + 30
            while len(receiver.accepted) == seen and running.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            running.kill()
            running.communicate()
        last = start(tmp_path, receiver)
        last.communicate(timeout=60)
        states = [each for each in receiver.accepted if each["event"] == "state"]
    with duckdb.connect(str(tmp_path / "r.duckdb")) as con:
        ((count,),) = con.sql("SELECT count(*) FROM states").fetchall()
    by_id = {each["id"]: each["details"]["seq"] for each in states}
    assert sorted(by_id.values()) == [*range(1, count + 1)], "each change, under one id"
    assert len(states) <= count + 2, "one more a kill, at most"


@pytest.mark.slow
def test_a_process_that_is_killed_is_one_alert_that_names_the_cause(tmp_path):
    with receiving() as receiver:
        running = start(tmp_path, receiver, "--processes", "2")
        deadline = time.monotonic() + 30
        while not (tmp_path / "r.duckdb.live").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(child_pids(running.pid)[0], signal.SIGKILL)
        running.communicate(timeout=60)
        restarts = [each for each in receiver.accepted if each["event"] == "restart"]
    assert running.returncode == 0
    assert len(restarts) == 1
    assert "process 0 was killed by SIGKILL" in restarts[0]["details"]["cause"]
