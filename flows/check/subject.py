"""The strategy that is checked, behind one that records its calls and can disturb it between them.

desk ── on_bar ──▶ Subject ── state decoded anew, file executed anew ──▶ the user's on_bar
└─ Call(handler, time, requests, their lines, state)
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from decimal import localcontext
from hashlib import blake2b
from types import FrameType, SimpleNamespace
from typing import Any

import msgspec
from msgspec.structs import replace

from tapeflow.flows.check.feature_reader import FeatureReader, Value
from tapeflow.flows.check.lent_context import LentContext
from tapeflow.flows.check.lines import begin_of, line_of_frame
from tapeflow.operators.desk.strategies.snapshot import decode_state, encode_state
from tapeflow.schemas.plain_arrays import encode_array
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.strategy import Strategy

HANDLERS = ("on_bar", "on_fill", "on_order", "on_refusal", "on_timer", "on_price")
END = object()


@dataclass(slots=True)
class Call:
    """A call of a handler, and what it answered."""

    handler: str
    time_ns: int
    requests: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # at which each was made
    state: bytes = b""  # digest of it after the call
    error: BaseException | None = None  # that left the handler


@dataclass(slots=True)
class Subject:
    """A strategy at work in one run, and how it is disturbed."""

    declared: DeclaredStrategy
    load: Callable[[], Strategy]  # executes its file anew, as the begin of every run does
    is_anew: Callable[[int], bool] | None = None  # before which calls, each of them resumed
    spoils: bool = False  # whether what a context gave is of no use after the call
    watch: Callable[[str], AbstractContextManager[None]] = lambda handler: nullcontext()
    keeps_states: bool = True  # whether the state after each call is compared
    calls: list[Call] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)  # of the state after each call, bytes
    strategy: Strategy = field(init=False)
    state: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.strategy = self.load()

    @property
    def kind(self) -> type:
        """The class that is checked."""
        strategy = self.strategy
        return type(strategy.feature if isinstance(strategy, FeatureReader) else strategy)

    def declare(self) -> DeclaredStrategy:
        """Return the strategy for the desk: a class with its handlers, which records."""
        handlers = {
            name: make_handler(self, name)
            for name in HANDLERS
            if getattr(type(self.strategy), name) is not getattr(Strategy, name)
        }
        needs, version = self.strategy.needs(), self.strategy.version
        own: dict[str, Any] = {"needs": lambda _: needs, "start": lambda _: self.begin()}
        made = type("Recorded", (Strategy,), {**handlers, **own, "version": version}, frozen=True)
        return replace(self.declared, strategy=made())

    def begin(self) -> None:
        """Let the strategy make its state."""
        with self.watch("start"):
            self.state = self.strategy.start()

    def disturb(self) -> None:
        """Let the state be stored and read, as a resume does; and the file be executed anew."""
        if self.is_anew is None:
            return
        encoded = self.encode()
        if self.is_anew(len(self.calls)):
            self.strategy = self.load()
        self.state = decode_state(self.running(), encoded)

    def encode(self) -> bytes:
        """Return the state as it is stored."""
        return encode_state(self.running())

    def running(self) -> Any:
        """Return what stores and reads states, of this strategy."""
        declared = replace(self.declared, strategy=self.strategy)
        return SimpleNamespace(state=self.state, strategy=self.strategy, declared=declared)

    def note_state(self, call: Call) -> None:
        """Note the state after a call, and its size."""
        if self.keeps_states:
            state = self.comparable_state()
            self.sizes.append(len(state))
            call.state = blake2b(state, digest_size=16).digest()

    def comparable_state(self) -> bytes:
        """Return the state in a form that is equal where it would be after a resume."""
        state = decode_state(self.running(), self.encode())
        return msgspec.msgpack.encode(in_order(state), enc_hook=encode_array)


def in_order(value: Any) -> Any:
    """Return plain values with the members of sets in an order.

    >>> in_order({("a", 1): {3, 1, 2}})
    [[['a', 1], [1, 2, 3]]]
    """
    if isinstance(value, msgspec.Struct):
        return [in_order(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return [[in_order(key), in_order(each)] for key, each in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(map(in_order, value), key=repr)
    return [*map(in_order, value)] if isinstance(value, list | tuple) else value


def make_handler(subject: Subject, name: str) -> Callable[..., Iterator[Any]]:
    """Return a handler that calls the subject's and records it."""

    def handler(_self: Any, _state: None, event: Any, context: Any) -> Iterator[Any]:
        subject.disturb()
        call = Call(name, context.time_ns)
        subject.calls.append(call)
        seen = LentContext(context, subject.spoils)
        try:
            yield from forward(subject, call, event, seen)
            seen.close()
            subject.note_state(call)
        except BaseException as error:
            call.error = call.error or error
            raise

    return handler


def forward(subject: Subject, call: Call, event: Any, context: Any) -> Iterator[Any]:
    """Call the subject's handler; yield its requests with the lines at which they are made."""
    begin = begin_of(subject.kind, call.handler)
    with subject.watch(call.handler):
        answer = getattr(subject.strategy, call.handler)(subject.state, event, context)
        requests = iter(() if answer is None else answer)
    while True:
        with subject.watch(call.handler):
            request = next(requests, END)
        if request is END:
            return
        if isinstance(request, Value):
            call.requests.append(repr(request.value))
            continue
        call.requests.append(repr(request))
        call.lines.append(line_of_frame(innermost_frame(requests)) or begin)
        try:
            yield request
        except Exception as error:
            throw = getattr(requests, "throw", None)
            if throw is not None:
                with localcontext():
                    throw(error)
            raise


def innermost_frame(requests: Any) -> FrameType | None:
    """Return the frame of the generator that waits, of those that wait for each other."""
    frame: FrameType | None = None
    while requests is not None:
        frame = getattr(requests, "gi_frame", None) or frame
        requests = getattr(requests, "gi_yieldfrom", None)
    return frame
