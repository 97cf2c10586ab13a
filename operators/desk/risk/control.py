"""Carry out commands, each at its place in the log: done, or refused with a code.

    signature ─▶ number ─▶ age ─▶ action ─▶ scope ─▶ arguments ─▶ effect ─▶ ControlCommand

The number of a command that is signed counts even where the command is refused: it is given once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from tapeflow.operators.desk.decide import decide_orders
from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.risk.overrides import is_within, read_value
from tapeflow.operators.desk.risk.profit import profit_of
from tapeflow.operators.desk.risk.scopes import is_known
from tapeflow.operators.desk.risk.states import cancel_scope, change_state, flatten
from tapeflow.operators.desk.risk.waiting import find_waiting, is_owner, move_intent
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.control import ACTIONS, OPTIONAL, ControlCommand, SignedCommand
from tapeflow.schemas.states import Cause, TradingState

SIDES = {"buy": "BUY", "sell": "SELL", "both": "both", "none": ""}
STATES: Mapping[str, TradingState] = {
    "halt": "HALTED", "reduce": "REDUCING", "kill": "KILLED", "resume": "ACTIVE",
}  # fmt: skip
NO_CHANGE = "NOTHING_TO_DO"
RESETS = {"peak": None, "day": None, "losses": None}.keys()


class Refusal(Exception):
    """A command is refused: its code, and what is wrong."""


def obey(state: State, settings: DeskSettings, command: SignedCommand) -> Iterator[Fact]:
    """Carry out a command, or refuse it; yield the facts, the last one what became of it."""
    reason, detail = "", ""
    try:
        check_sender(state, settings, command)
        check_meaning(settings, command)
        yield from [*EFFECTS[command.action](state, settings, command)]
    except Refusal as refusal:
        reason, detail = refusal.args
    yield ControlCommand(
        id=command.id,
        who=command.who,
        number=command.number,
        action=command.action,
        scope=command.scope,
        args=msgspec.json.encode(command.args, order="sorted").decode(),
        verdict="REFUSED" if reason else "DONE",
        reason=reason,
        detail=detail,
        time_ns=command.time_ns,
        partition=command.partition,
        offset=command.offset,
    )


def check_sender(state: State, settings: DeskSettings, command: SignedCommand) -> None:
    """Raise Refusal unless a command is signed by who it names, new, and of its time."""
    if command.doubt:
        raise Refusal(command.doubt, f"not signed by a key of {command.who!r} that the job lists")
    last, age_ns = (
        state.risk.overrides.numbers.get(command.who, 0),
        command.time_ns - command.number,
    )
    if command.number <= last:
        raise Refusal("REPLAYED", f"{command.who} has given the number {last} already")
    state.risk.overrides.numbers[command.who] = command.number
    assert settings.control is not None, "a command without [control]"
    if not 0 <= age_ns <= settings.control.max_age_ns:
        limit_ns = settings.control.max_age_ns
        raise Refusal("TOO_OLD", f"age {age_ns} ns by log time, limits 0 and {limit_ns}")


def check_meaning(settings: DeskSettings, command: SignedCommand) -> None:
    """Raise Refusal unless action, scope and names of the arguments are known."""
    if command.action not in ACTIONS:
        raise Refusal("UNKNOWN_ACTION", f"there are {', '.join(ACTIONS)}")
    if not is_known(settings, command.scope):
        raise Refusal("UNKNOWN_SCOPE", "the job has none of it")
    known = ACTIONS[command.action]
    if wrong := sorted(set(command.args) - known - OPTIONAL.get(command.action, frozenset())):
        raise Refusal("BAD_ARGS", f"{command.action} knows no {', '.join(wrong)}")
    missing = sorted(known - set(command.args))
    if missing:
        raise Refusal("BAD_ARGS", f"{command.action} needs {', '.join(missing)}")


def set_state(state: State, settings: DeskSettings, command: SignedCommand) -> Iterator[Fact]:
    """Change the trading state of the scope."""
    to = STATES[command.action]
    feed = state.risk.supervision.memory.feeds.get(command.scope.removeprefix("instrument:"))
    was_of_feed = feed is not None and feed.set_state
    if feed is not None:
        feed.set_state = False  # from now on it ends by a command
    reset = command.args.get("reset", "")
    if state.risk.trading.of(command.scope) == to and not (reset or was_of_feed):
        raise Refusal(NO_CHANGE, f"{command.scope} is {to}")
    if reset:
        reset_losses(state, settings, command.scope, reset.split(","))
    if command.action == "resume":
        state.risk.supervision.memory.of(command.scope).executions = 0
    cause = Cause("command", command.id, command.who)
    yield from change_state(state, settings, command.scope, to, cause)


def reset_losses(state: State, settings: DeskSettings, scope: str, names: Sequence[str]) -> None:
    """Let peak, begin of the day or losses in a row of a scope begin at the present marks."""
    if wrong := sorted({*names} - RESETS):
        raise Refusal("BAD_ARGS", f"reset: no {', '.join(wrong)}; there are {', '.join(RESETS)}")
    memory, profit = state.risk.supervision.memory.of(scope), profit_of(state, settings, scope)
    if profit is None and {"peak", "day"} & {*names}:
        raise Refusal(NO_CHANGE, f"the equity of {scope} is not known")
    if "peak" in names and profit is not None:
        memory.peak_profit = profit
    if "day" in names:
        memory.day_profit = profit
    if "losses" in names:
        memory.losses = 0


def cancel_all(state: State, settings: DeskSettings, command: SignedCommand) -> Iterator[Fact]:
    """Cancel the open orders of the scope."""
    facts = [*cancel_scope(state, settings, command.scope)]
    if not facts:
        raise Refusal(NO_CHANGE, "no order of it is open")
    yield from facts


def close_all(state: State, settings: DeskSettings, command: SignedCommand) -> Iterator[Fact]:
    """Close all of the scope."""
    cause = Cause("command", command.id, command.who)
    facts = [*flatten(state, settings, command.scope, cause)]
    if not facts:
        raise Refusal(NO_CHANGE, "it is being closed")
    yield from facts


def restrict(state: State, settings: DeskSettings, command: SignedCommand) -> Iterator[Fact]:
    """Change the restricted list."""
    restricted, side = state.risk.overrides.restricted, SIDES.get(command.args["side"])
    if side is None:
        raise Refusal("BAD_ARGS", f"side: there are {', '.join(SIDES)}")
    if restricted.get(command.scope) == side:
        raise Refusal(NO_CHANGE, "it is so already")
    restricted[command.scope] = side
    yield from ()


def set_limit(state: State, settings: DeskSettings, command: SignedCommand) -> Iterator[Fact]:
    """Set a limit of the scope, within the bounds of the job."""
    limit, text = command.args["limit"], command.args["value"]
    value = read_value(limit, text)
    if value is None:
        raise Refusal("BAD_ARGS", f"{limit} cannot be {text}")
    if not is_within(settings, command.scope, limit, value):
        raise Refusal("OUT_OF_BOUNDS", f"[control.bounds] does not let {limit} be {text}")
    limits = state.risk.overrides.limits.setdefault(command.scope, {})
    if limits.get(limit) == text:
        raise Refusal(NO_CHANGE, "it is so already")
    limits[limit] = text
    yield from ()


def approve(state: State, settings: DeskSettings, command: SignedCommand) -> Iterator[Fact]:
    """Let an order go on that waits for four eyes: it is decided anew, here."""
    name = command.args["order"]
    found = find_waiting(state, name, command.time_ns)
    if found is None:
        raise Refusal(NO_CHANGE, f"no order {name} waits for approval, or its time is over")
    signal = found.intent.signal
    if is_owner(settings, command, signal.strategy):
        raise Refusal("SELF_APPROVED", f"{command.who} is the owner of {signal.strategy}")
    del state.risk.waiting[name]
    yield from decide_orders(state, settings, move_intent(found.intent, command), command.who)


Effect = Callable[[State, DeskSettings, SignedCommand], Iterator[Fact]]
EFFECTS: Mapping[str, Effect] = {
    **dict.fromkeys(STATES, set_state),
    "flatten": close_all,
    "cancel": cancel_all,
    "restrict": restrict,
    "set-limit": set_limit,
    "approve": approve,
}
