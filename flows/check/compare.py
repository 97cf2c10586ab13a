"""The calls of two runs, compared: where they differ, and how it is said."""

import re
from itertools import zip_longest
from typing import Any

from tapeflow.flows.check.lines import begin_of
from tapeflow.flows.check.subject import Call, Subject


def differs(plain: Subject, other: Subject, past_ns: int) -> int | None:
    """Return the number of the first call that is not the same in both; None where all are."""
    for number, calls in enumerate(zip_longest(plain.calls, other.calls)):
        times = [each.time_ns for each in calls if each is not None]
        if max(times) > past_ns:
            return None
        if len(times) < len(calls) or answer_key(calls[0]) != answer_key(calls[1]):
            return number
    return None


def answer_key(call: Call) -> tuple[Any, ...]:
    """Return what must be the same of a call."""
    return call.handler, call.time_ns, call.requests, call.state


def answer_of(calls: list[Call]) -> str:
    """Return what a call answered, for a message; of no call if there is none."""
    if not calls:
        return "no call"
    requests = calls[0].requests
    more = f" and {len(requests) - 1} more" if len(requests) > 1 else ""
    return shorten_request(requests[0]) + more if requests else "nothing"


def shorten_request(request: str) -> str:
    """Return a request without the fields that are left out.

    >>> shorten_request("Submit(instrument='A', side=1, size=None, exit_rule='OUO')")
    "Submit(instrument='A', side=1)"
    """
    return re.sub(r", (\w+=None|exit_rule='OUO'|strength=1\.0|name='')", "", request)


def place_of(subject: Subject, number: int) -> str:
    """Return the line of a call: that of its first request, or where its handler begins."""
    call = subject.calls[min(number, len(subject.calls) - 1)]
    return (call.lines or [begin_of(subject.kind, call.handler)])[0]
