"""Call strategies with events, at the desk's place in the log, and decide what they ask for.

    bar b7 of BTC ─▶ dip.on_bar ─▶ its requests, each decided ─▶ pairs.on_bar ─▶ ..
    fill          ─▶ dip.on_fill ─▶ ..

At one bar the strategies are called in the order of their names, and intents of strategies over
columns are decided among them, each at its own name.
"""

from collections.abc import Iterator
from decimal import localcontext
from heapq import heappop
from typing import Any

from tapeflow.operators.desk.decide import decide
from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import DeskBar, State
from tapeflow.operators.desk.strategies.answer import answer
from tapeflow.operators.desk.strategies.causes import Answer
from tapeflow.operators.desk.strategies.context import DeskContext
from tapeflow.operators.desk.strategies.exact_requests import exact_request
from tapeflow.operators.desk.strategies.failures import strategy_error
from tapeflow.operators.desk.strategies.request_checks import check_request
from tapeflow.operators.desk.strategies.running import Call, Running
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.bar import bar_id
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.orders import Fill
from tapeflow.schemas.signals import Signal
from tapeflow.schemas.strategy import TimerEvent

END: Any = object()  # of the requests of a call
AFTER_NAMES = b"\xff"  # above every name: no text in UTF-8 has this byte
CALLS_MAX = 10_000  # of one strategy at one position of the log, which no sound one makes


def call_bar(state: State, settings: DeskSettings, due: DeskBar) -> Iterator[Fact]:
    """Call the strategies that follow a bar; it has been added to what they read."""
    called = state.strategies.by_bar.get((due.kind, due.bar.instrument), ())
    bar = due.bar
    cause = bar_id(bar.instrument, bar.open_ns, bar.close_ns) + (due.kind and f"/{due.kind}")
    for running in called:
        if not due.kind:
            yield from decide_before(state, settings, due, running.name)
        context = DeskContext(state, settings, running)
        requests = call(running, "on_bar", bar, context)
        if requests is not None:
            own = None if due.kind else bar
            place = Answer(running, context, cause, own, bar.close_ns)
            yield from answer_all(state, settings, place, requests, "on_bar")
    if called and not due.kind:  # before what is caused here is handled
        yield from decide_before(state, settings, due, AFTER_NAMES)


def decide_before(
    state: State, settings: DeskSettings, due: DeskBar, name: bytes
) -> Iterator[Fact]:
    """Decide the intents at the same bar of strategies whose names come before a name."""
    key = (due.position, due.close_ns, due.instrument, name)
    while state.intents and state.intents[0][0] < key:
        state.merge.release_through(due.position)
        yield from decide(state, settings, heappop(state.intents)[2])


def call_next(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Call a strategy with the first event that waits for it."""
    running, handler, event = state.strategies.calls.popleft()
    yield from call_event(state, settings, Call(running, handler, event))


def call_timer(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Call a strategy with its timer, before the records of its log time."""
    running, name, due_ns = state.strategies.pop_timer()
    event = TimerEvent(name, due_ns, state.now[0])
    if "on_timer" in running.handlers:
        yield from call_event(state, settings, Call(running, "on_timer", event))


def call_event(state: State, settings: DeskSettings, due: Call) -> Iterator[Fact]:
    """Call a strategy with an event that is no bar."""
    running, handler, event = due
    count_call(state, running)
    cause = cause_of(running, event)
    context = DeskContext(state, settings, running)
    requests = call(running, handler, event, context)
    if requests is not None:
        place = Answer(running, context, cause, None, state.now[0])
        yield from answer_all(state, settings, place, requests, handler)


def count_call(state: State, running: Running) -> None:
    """Count a call. Raises TapeflowError where a strategy calls itself without end."""
    running.calls += 1
    if running.called_at != state.now:
        running.called_at, running.calls_here = state.now, 0
    running.calls_here += 1
    if running.calls_here > CALLS_MAX:
        raise TapeflowError(
            f"strategy {running.declared.name} was called {CALLS_MAX:,} times at one position of "
            f"the log, {state.now}: its answers cause calls without end"
        )


def cause_of(running: Running, event: Any) -> str:
    """Return the id of what a strategy is called with."""
    if isinstance(event, Fill):
        return event.id
    if isinstance(event, Decision):
        return event.order_id
    kind = type(event).__name__.removesuffix("Event").lower()
    return f"{running.declared.name}/{kind}/{running.calls}"


def call(running: Running, handler: str, event: Any, context: DeskContext) -> Any:
    """Call a handler; where it fails, the error says which one it was."""
    try:
        with localcontext(DECIMAL_CONTEXT):  # what a handler makes of it stays its own
            return getattr(running.strategy, handler)(running.state, event, context)
    except (Exception, SystemExit) as error:
        raise strategy_error(running.declared, handler, error) from error


def answer_all(
    state: State, settings: DeskSettings, place: Answer, requests: Any, handler: str
) -> Iterator[Fact]:
    """Decide the requests of a call one by one: the handler may be a generator."""
    waiting = None
    while True:
        try:
            with localcontext(DECIMAL_CONTEXT):
                waiting = begin_requests(requests) if waiting is None else waiting
                request = next(waiting, END)
                if request is END:
                    return
                check(settings, waiting, request)
        except (Exception, SystemExit) as error:
            raise strategy_error(place.running.declared, handler, error) from error
        state.merge.release_through(state.now)
        for fact in answer(state, settings, place, exact_request(request)):
            if type(fact) is Decision:
                state.strategies.note(fact)
            elif type(fact) is Signal:
                state.strategies.signals.add_signal(fact)
            yield fact


def begin_requests(requests: Any) -> Any:
    """Return what a handler has returned as an iterator. Raises TypeError where it is none."""
    try:
        return iter(requests)
    except TypeError:
        raise TypeError(f"{requests!r} was returned: yield requests, or return a list") from None


def check(settings: DeskSettings, requests: Any, request: Any) -> None:
    """Check a request; what is wrong is raised where the handler yielded it, if it did."""
    try:
        check_request(request, settings.instruments)
    except (TypeError, ValueError) as error:
        if hasattr(requests, "throw"):
            requests.throw(error)
        raise
