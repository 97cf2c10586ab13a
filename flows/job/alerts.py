"""The section [alerts] of a job file: which events of a run go to a webhook, and how."""

from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from tapeflow.flows.job.duration import Duration, within
from tapeflow.flows.job.sections import Section, Unit

Event = Literal["state", "restart", "stalled", "dead_letters", "failed"]


def check_url(text: str) -> str:
    """Return the address of a webhook; the error does not repeat it, as it may be a secret."""
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


class Alerts(Section):
    """Events of a run, posted to a webhook as JSON (docs/deploy.md). No result depends on them."""

    webhook: Annotated[str, AfterValidator(check_url)] = Field(
        default="", description="Address that they are posted to; empty: none. Never stored."
    )
    headers: dict[str, str] = Field(
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
