"""Signed commands from end to end: what is refused and why, and one answer however it is read."""

import pytest

from tapeflow.connectors.duckdb.query import query
from tapeflow.flows.cli import control as command_line
from tapeflow.flows.cli.main import main
from tapeflow.flows.job import settings
from tapeflow.operators.desk.risk.overrides import SETTABLE
from tapeflow.schemas.control import ACTIONS
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.limits import ScopeLimits
from tests.control_log import (
    BOB,
    EVE,
    JOB,
    NOON,
    VERDICTS,
    command,
    job_with,
    verdicts,
    write_log,
)
from tests.frames import S
from tests.growing import run_on, stop_at
from tests.running import digest, loaded, replay, replay_topics


def refusal(reason):
    return ("REFUSED", reason)


DONE = ("DONE", "")


def test_a_signed_command_is_done_once_and_doing_it_again_is_nothing_to_do(tmp_path):
    assert verdicts(tmp_path, command(10), command(11), command(12, "resume")) == [
        DONE, refusal("NOTHING_TO_DO"), DONE,
    ]  # fmt: skip


def test_a_command_under_the_key_of_another_is_a_bad_signature(tmp_path):
    assert (
        verdicts(tmp_path, command(10, key=EVE), command(11, key=BOB))
        == [refusal("BAD_SIGNATURE")] * 2
    )


def test_a_command_of_somebody_who_is_not_listed_is_of_an_unknown_key(tmp_path):
    assert verdicts(tmp_path, command(10, key=EVE, who="eve")) == [refusal("UNKNOWN_KEY")]


def test_a_frame_that_comes_twice_is_replayed(tmp_path):
    at, frame = command(10)
    assert verdicts(tmp_path, (at, frame), (at + S, frame)) == [DONE, refusal("REPLAYED")]


def test_a_lower_number_after_a_higher_one_is_replayed_but_not_that_of_another(tmp_path):
    log = (
        command(10),
        command(11, "resume", n=NOON + 9 * S),
        command(12, "resume", n=NOON + 9 * S, key=BOB, who="bob"),
    )
    assert verdicts(tmp_path, *log) == [DONE, refusal("REPLAYED"), DONE]


def test_the_number_of_a_command_that_was_refused_is_spent(tmp_path):
    at, frame = command(10, scope="account:none")
    assert verdicts(tmp_path, (at, frame), (at + S, frame)) == [
        refusal("UNKNOWN_SCOPE"), refusal("REPLAYED"),
    ]  # fmt: skip


def test_a_forged_frame_spends_no_number(tmp_path):
    forged = command(10, key=EVE, n=NOON + 30 * S)
    assert verdicts(tmp_path, forged, command(11)) == [refusal("BAD_SIGNATURE"), DONE]


@pytest.mark.parametrize(
    ("age_ns", "verdict"),
    [(0, DONE), (10 * S, DONE), (10 * S + 1, refusal("TOO_OLD")), (-1, refusal("TOO_OLD"))],
)
def test_a_command_is_carried_out_within_its_age_and_never_ahead_of_the_log(
    age_ns, verdict, tmp_path
):
    assert verdicts(tmp_path, command(20, n=NOON + 20 * S - age_ns)) == [verdict]


def test_a_scope_that_the_job_does_not_have_is_unknown(tmp_path):
    unknown = (
        "account:other",
        "strategy:other",
        "venue:COINBASE",
        "instrument:ETH-*",
        "group:x",
        "",
        "account",
        "portfolio:x",
        "x:main",
    )
    log = [command(number, scope=scope) for number, scope in enumerate(unknown)]
    assert verdicts(tmp_path, *log) == [refusal("UNKNOWN_SCOPE")] * len(unknown)


def test_every_scope_of_the_job_can_be_commanded(tmp_path):
    known = (
        "portfolio",
        "account:main",
        "strategy:cross",
        "venue:BINANCE",
        "instrument:BTC-USDT.BINANCE",
    )
    log = [command(number, scope=scope) for number, scope in enumerate(known)]
    assert verdicts(tmp_path, *log) == [DONE] * len(known)


def test_what_is_being_closed_is_not_closed_again(tmp_path):
    log = [command(20, "flatten"), command(20.002, "flatten", key=BOB, who="bob")]
    assert verdicts(tmp_path, *log) == [DONE, refusal("NOTHING_TO_DO")]


def test_a_limit_that_is_so_already_is_nothing_to_do(tmp_path):
    to = {"limit": "gross_max", "value": "500"}
    log = [command(at, "set-limit", **to) for at in (10, 11)]
    assert verdicts(tmp_path, *log) == [DONE, refusal("NOTHING_TO_DO")]


def test_an_action_that_is_none_is_unknown(tmp_path):
    assert (
        verdicts(tmp_path, command(1, "explode"), command(2, "")) == [refusal("UNKNOWN_ACTION")] * 2
    )


WRONG_ARGS = [
    ("halt", {"now": "yes"}), ("restrict", {}), ("restrict", {"side": "up"}), ("approve", {}),
    ("set-limit", {"limit": "gross_max"}), ("set-limit", {"limit": "none", "value": "1"}),
    *(("set-limit", {"limit": "gross_max", "value": value})
      for value in ("", "x", "NaN", "inf", "-1", "1e30", "1e-30", "٣", "-0", "9" * 41)),
    ("set-limit", {"limit": "orders_max", "value": "1.5"}), ("resume", {"reset": "all"}),
]  # fmt: skip


def test_arguments_that_are_wrong_are_bad(tmp_path):
    log = [command(number, action, **args) for number, (action, args) in enumerate(WRONG_ARGS)]
    assert verdicts(tmp_path, *log) == [refusal("BAD_ARGS")] * len(WRONG_ARGS)


def test_a_limit_is_set_within_its_bounds_and_no_other(tmp_path):
    def limit(second, value, name="gross_max", scope="account:main"):
        return command(second, "set-limit", scope, limit=name, value=value)

    log = (
        limit(1, "1000"),
        limit(2, "1000.01"),
        limit(3, "0"),
        limit(4, "1", "net_max"),
        limit(5, "1", scope="portfolio"),
    )
    assert verdicts(tmp_path, *log) == [
        DONE,
        refusal("OUT_OF_BOUNDS"),
        DONE,
        *[refusal("OUT_OF_BOUNDS")] * 2,
    ]


def test_there_is_nothing_to_do_where_a_side_is_restricted_already_and_no_order_waits(tmp_path):
    sides = [
        command(second, "restrict", "instrument:BTC-USDT.BINANCE", side="buy") for second in (1, 2)
    ]
    log = *sides, command(3, "approve", order="x"), command(4, "cancel", "venue:BINANCE")
    assert verdicts(tmp_path, *log) == [DONE, *[refusal("NOTHING_TO_DO")] * 3]


def test_what_is_no_frame_is_a_dead_letter(tmp_path):
    log = (NOON, b"{}"), (NOON + S, b"\xff"), command(2)
    rows = verdicts(tmp_path, *log, sql='SELECT partition, "offset" FROM dead_letters ORDER BY ALL')
    assert rows == [("control-0", 0), ("control-0", 1)]


MANY = (
    command(5, "restrict", "instrument:BTC-USDT.BINANCE", side="buy"), command(9, key=EVE), command(17),
    command(17.5, "cancel", "portfolio"), command(30, "resume", key=BOB, who="bob"),
    command(44, "set-limit", limit="gross_max", value="5"), (NOON + 50 * S, b"no frame"),
)  # fmt: skip


def test_pages_and_workers_change_no_digest(tmp_path):
    tapes, job = write_log(tmp_path, *MANY), job_with(tmp_path)
    expected = replay(tapes, tmp_path / "a.duckdb", job)
    small = job.model_copy(update={"source": job.source.model_copy(update={"page_records": 1})})
    assert replay(tapes, tmp_path / "b.duckdb", small) == expected
    assert replay(tapes, tmp_path / "c.duckdb", small, workers=2) == expected
    assert len(query(tmp_path / "a.duckdb", VERDICTS).rows) == 6


@pytest.mark.parametrize("records", [12, 25, 40])
def test_a_stop_and_a_restart_change_no_digest(records, tmp_path, monkeypatch):
    tapes, job = write_log(tmp_path, *MANY), job_with(tmp_path)
    small = job.model_copy(update={"source": job.source.model_copy(update={"page_records": 1})})
    expected = replay(tapes, tmp_path / "a.duckdb", job)
    with stop_at(records, monkeypatch):
        assert "stopped" in run_on(tmp_path, tapes, small)
    run_on(tmp_path, tapes, small)
    assert digest(tmp_path / "r.duckdb") == expected


def test_a_topic_of_commands_gives_the_digest_of_its_tape(tmp_path):
    tapes, job = write_log(tmp_path, *MANY), job_with(tmp_path)
    expected = replay(tapes, tmp_path / "a.duckdb", job)
    with loaded(tapes, job) as topics:
        assert replay_topics(topics, tmp_path / "b.duckdb", workers=2) == expected


def test_a_tape_of_commands_needs_keys_and_keys_need_a_tape(tmp_path):
    tapes, job = write_log(tmp_path, command(1)), job_with(tmp_path)
    without = settings.load(tmp_path / "job.toml", {}).model_copy(
        update={"control": type(job.control)()}
    )
    with pytest.raises(UsageError, match=r"control-0 has commands, and the job has no keys"):
        replay(tapes, tmp_path / "a.duckdb", without)
    (tapes / "control-0.tape").unlink()
    with pytest.raises(UsageError, match=r"the log no partition control-0"):
        replay(tapes, tmp_path / "a.duckdb", job)
    (tapes / "control-0.tape").touch()
    replay(tapes, tmp_path / "a.duckdb", job)


@pytest.mark.parametrize(("text", "line"), [
    (JOB.replace("ed25519:", "rsa:", 1), "no key"),
    (JOB.replace('"0", "1000"', '"2", "1"'), "2 is above 1"),
    (JOB.replace("max_age", "max_ages"), "max_age"),
])  # fmt: skip
def test_a_wrong_section_is_one_line(text, line, tmp_path):
    with pytest.raises(UsageError, match=line) as raised:
        job_with(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_one_key_for_two_names_is_refused(tmp_path):
    alice = JOB.partition('alice = "')[2].partition('"')[0]
    bob = JOB.partition('bob = "')[2].partition('"')[0]
    with pytest.raises(UsageError, match="two names have the same key"):
        job_with(tmp_path, JOB.replace(bob, alice))


def test_the_command_line_signs_into_a_tape_that_replays_without_the_key(tmp_path, capsys):
    key = tmp_path / "alice.key"
    assert main(["control", "keygen", str(key)]) == 0
    assert key.stat().st_mode & 0o777 == 0o600
    line = capsys.readouterr().out
    assert main(["control", "keygen", str(key)]) == 2, "no key is overwritten"
    public = line.partition('"')[2].partition('"')[0]
    old = JOB.partition('alice = "')[2].partition('"')[0]
    tapes, job = write_log(tmp_path), job_with(tmp_path, JOB.replace(old, public))
    options = [
        "--config",
        str(tmp_path / "job.toml"),
        "--key-file",
        str(key),
        "--tapes",
        str(tapes),
    ]
    assert main(["control", "restrict", "side=buy", "--scope", "account:main", *options]) == 0
    name = capsys.readouterr().out.split()[-1]
    first = replay(tapes, tmp_path / "a.duckdb", job)
    key.unlink()
    assert replay(tapes, tmp_path / "b.duckdb", job) == first
    rows = query(tmp_path / "b.duckdb", "SELECT id, verdict, who FROM control").rows
    assert [tuple(row) for row in rows] == [(name, "DONE", "alice")]


def test_a_key_that_others_can_read_or_that_is_not_the_jobs_signs_nothing(tmp_path, capsys):
    key, _ = tmp_path / "eve.key", job_with(tmp_path)
    main(["control", "keygen", str(key)])
    options = [
        "--config",
        str(tmp_path / "job.toml"),
        "--key-file",
        str(key),
        "--tapes",
        str(tmp_path),
    ]
    assert main(["control", "halt", *options]) == 2
    assert "no key that belongs" in capsys.readouterr().err
    key.chmod(0o644)
    assert main(["control", "halt", *options]) == 2
    assert "chmod 600" in capsys.readouterr().err
    assert not (tmp_path / "control-0.tape").exists()


def test_lists_of_actions_and_limits_are_those_of_their_schemas():
    assert set(command_line.ACTIONS) == set(ACTIONS)
    assert set(ScopeLimits.__struct_fields__) >= SETTABLE


def test_open_orders_are_canceled_before_those_of_later_bars(tmp_path):
    text = JOB.replace("[[accounts]]", '[paper]\nlatency = "5s"\n[[accounts]]')
    job = job_with(tmp_path, text)
    tapes = write_log(
        tmp_path, *(command(0.5 + number, "cancel", "portfolio") for number in range(59))
    )
    replay(tapes, tmp_path / "r.duckdb", job)
    done = query(tmp_path / "r.duckdb", "SELECT count(*) FROM control WHERE verdict = 'DONE'").rows
    canceled = query(
        tmp_path / "r.duckdb", "SELECT count(*) FROM commands WHERE action = 'CANCEL'"
    ).rows
    assert done == canceled
    assert done[0][0] > 0


@pytest.mark.parametrize("name", ["\0", "a\0b", "é", "𝄞", "x" * 20_000, "'; --"])
def test_any_name_and_scope_is_stored_as_it_came(name, tmp_path):
    sql = "SELECT who, scope, reason FROM control"
    assert verdicts(tmp_path, command(1, scope=name, who=name), sql=sql) == [
        (name, name, "UNKNOWN_KEY")
    ]
