"""The section [alerts] of a job file: which events of a run go to a webhook, and how."""

import re
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from tapeflow.flows.job.duration import Duration, within
from tapeflow.flows.job.sections import Section, Unit

Event = Literal["state", "restart", "stalled", "dead_letters", "failed"]
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110
ADDRESS = re.compile(r"[!-~]*")  # neither spaces nor what has to be encoded


def check_url(text: str) -> str:
    """Return the address of a webhook; the error does not repeat it, as it may be a secret."""
    text = text.strip()
    if not ADDRESS.fullmatch(text):
        raise ValueError("a character that no address has, such as a space: encode it as %20")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if text and not usable:
        raise ValueError("write the whole address, as in https://example.com/hook")
    if "@" in urlsplit(text).netloc:
        raise ValueError("a user and password belong into headers, as Authorization")
    return text


def check_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of a request; the error repeats no value, as it may be a secret."""
    for number, (name, value) in enumerate(headers.items(), 1):
        if not HEADER_NAME.fullmatch(name):
            raise ValueError(f"the name of header {number} is none: write one such as X-Key")
        if not (value.strip().isascii() and value.strip().isprintable()):
            raise ValueError(f"the value of {name} has a line break, a control or no ASCII")
    return {name: value.strip() for name, value in headers.items()}


class Alerts(Section):
    """Events of a run, posted to a webhook as JSON (docs/deploy.md). No result depends on them."""

    webhook: Annotated[str, AfterValidator(check_url)] = Field(
        default="", description="Address that they are posted to; empty: none. Never stored."
    )
    headers: Annotated[dict[str, str], AfterValidator(check_headers)] = Field(
        default={}, description="More headers of each request, such as Authorization. Never stored."
    )
    events: tuple[Event, ...] = Field(
        default=get_args(Event),
        description="Which: a trading state that changes, a restart of processes, a partition that "
        "delays the others, many dead letters, a run that failed.",
    )
    timeout: Annotated[Duration, within("10ms", "1m")] = Field(
        default=5_000_000_000, description="How long one request may take, from 10ms to 1m."
    )
    retries: Annotated[int, Field(ge=0, le=100), Unit("requests")] = Field(
        default=8, description="How often an alert that failed is sent again."
    )
    backoff: Annotated[Duration, within("1ms", "1m")] = Field(
        default=1_000_000_000,
        description="Pause before the first retry, doubled up to 1m and shortened at random.",
    )
    queue: Annotated[int, Field(gt=0, le=100_000), Unit("alerts")] = Field(
        default=1000, description="How many may wait; what does not fit is dropped and counted."
    )
    dead_letters_max: Annotated[int, Field(ge=0, le=10**9), Unit("frames")] = Field(
        default=100, description="Most dead letters of a partition in a minute of log time."
    )
    replays: bool = Field(
        default=False, description="Send them of replays too, as to try a webhook out."
    )
