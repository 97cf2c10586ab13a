"""`tapeflow control`: a signed command into the log, and what became of it."""

import os
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify
from tapeflow.schemas.errors import TapeflowError, UsageError

if TYPE_CHECKING:
    from tapeflow.flows.job.settings import Job

PARTITION = "control-0"
NS_PER_MS = 1_000_000
ACTIONS = (  # those of schemas/control.py, which help does not import
    *("halt", "reduce", "kill", "resume", "flatten", "cancel", "restrict", "set-limit", "approve"),
)
KEYGEN = "keygen"
FAILED = 1


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "control",
        "Sign a command to a running desk, or make a key.",
        "control halt --config job.toml --scope account:main --key-file alice.key",
        run,
    )
    parser.add_argument(
        "action",
        choices=(*ACTIONS, KEYGEN),
        metavar="ACTION",
        help=f"{', '.join(ACTIONS)}; or {KEYGEN}",
    )
    parser.add_argument(
        "args",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="of the action; of keygen the FILE to write",
    )
    meaning = "what it concerns, as account:main (default: %(default)s)"
    parser.add_argument("--scope", default="portfolio", metavar="SCOPE", help=meaning)
    meaning = "private key that signs it"
    parser.add_argument("--key-file", type=options.path, metavar="FILE", help=meaning)
    meaning = "how long to wait for its end (default: 10s)"
    parser.add_argument(
        "--wait", type=options.duration, default=10**10, metavar="TIME", help=meaning
    )
    meaning = f"append it to {PARTITION}.tape of a folder, not to Kafka"
    parser.add_argument("--tapes", type=options.path, metavar="DIR", help=meaning)
    options.add_config(parser)


def run(args: Namespace) -> int:
    """Make a key, or sign and write a command; print its id and what became of it."""
    if args.action == KEYGEN:
        return make_key(args)
    from tapeflow.schemas.control import command_id, make_frame, public_key, sign, signed_text

    job = options.read_job(args)
    if args.key_file is None:
        args.parser.error("missing: --key-file, the private key that signs it")
    private = read_key(args.key_file)
    who = holder_of(public_key(private), job)
    arguments = dict(split_argument(args, each) for each in args.args)
    now_ms = time.time_ns() // NS_PER_MS  # as Kafka keeps it: never ahead of its log time
    frame = make_frame(who, now_ms * NS_PER_MS, args.action, args.scope, arguments)
    name, data = command_id(signed_text(frame)), sign(frame, private)
    if args.tapes is not None:
        append_to_tape(args.tapes, now_ms * NS_PER_MS, data)
        print(name)
        notify(f"{args.tapes} is a folder of tapes: what becomes of it, a replay of them says")
        return 0
    send(job, data, now_ms)
    print(name, flush=True)
    return report(job, name, args.wait)


def make_key(args: Namespace) -> int:
    """Write a new private key to a file that only its owner reads; print the public one."""
    from tapeflow.schemas.control import format_key, new_private_key, public_key

    if len(args.args) != 1:
        args.parser.error("keygen needs one FILE for the private key")
    path, private = options.path(args.args[0]), new_private_key()
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} is there already: a key is not overwritten") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    with os.fdopen(file, "w") as stream:
        stream.write(f"{format_key(private)}\n")
    print(f'[control] keys = {{ {path.stem} = "{format_key(public_key(private))}" }}')
    return 0


def read_key(path: Path) -> bytes:
    """Read a private key. Raises UsageError where there is none, or others can read it."""
    from tapeflow.schemas.control import parse_key

    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others: chmod 600 {path}")
        return parse_key(path.read_text().strip())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path} holds no key: make one with tapeflow control keygen") from None


def holder_of(public: bytes, job: "Job") -> str:
    """Return who holds a key by the job. Raises UsageError where nobody does."""
    for who, key in job.control.public_keys().items():
        if key == public:
            return who
    raise UsageError("[control] keys of the job has no key that belongs to this --key-file")


def split_argument(args: Namespace, text: str) -> tuple[str, str]:
    """Return name and value of an argument."""
    name, equals, value = text.partition("=")
    if not equals:
        args.parser.error(f"{text} is no argument: write NAME=VALUE")
    return name, value


def append_to_tape(folder: Path, log_ns: int, data: bytes) -> None:
    """Append a frame to the tape of commands. Raises UsageError where it cannot be written."""
    try:
        with (folder / f"{PARTITION}.tape").open("ab") as tape:
            tape.write(b"%d %s\n" % (log_ns, data))
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from None


def send(job: "Job", data: bytes, now_ms: int) -> None:
    """Write a frame into the control topic. Raises TapeflowError where Kafka does not take it."""
    from tapeflow.connectors.kafka.sink import LOW_LATENCY, ReliableProducer
    from tapeflow.flows.run.topics import create_raw_topics

    create_raw_topics([PARTITION], job, notify)
    topic = job.kafka.raw_prefix + PARTITION.rpartition("-")[0]
    producer = ReliableProducer(job.kafka.bootstrap, {**LOW_LATENCY, **job.kafka.client})
    producer.send(topic, data, None, 0, timestamp=now_ms)
    producer.flush()


def report(job: "Job", name: str, wait_ns: int) -> int:
    """Wait for the fact of a command, and print it; 1 where it is refused or does not come."""
    fact = wait_for(job, name, time.monotonic() + wait_ns / 1e9)
    if fact is None:
        raise TapeflowError(
            f"{name} is in the log, and no run has answered within {wait_ns / 1e9:g} s: see that "
            "one is following it, and has `[kafka] publish`"
        )
    reason = f" {fact.reason}: {fact.detail}" if fact.reason else ""
    print(f"{fact.verdict}{reason}")
    return 0 if fact.verdict == "DONE" else FAILED


def wait_for(job: "Job", name: str, deadline: float) -> Any:
    """Return the fact of a command as it comes, None where it does not come in time."""
    from tapeflow.connectors.kafka.facts import tail
    from tapeflow.schemas.control import ControlCommand
    from tapeflow.schemas.registry import BY_TYPE, decode

    kind, kafka = BY_TYPE[ControlCommand], job.kafka
    for message in tail(kafka.bootstrap, [kafka.fact_prefix + kind.topic], notify, kafka.client):
        if message is not None:
            fact = decode(kind, message.value() or b"")
            if fact.id == name:
                return fact
        if time.monotonic() > deadline:
            return None
    return None
