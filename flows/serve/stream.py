"""The stream of one client: server-sent events, at most one a second.

The id of an event is the client's place in the facts. A client that comes back with it gets what
it has not had: no hole, no repeat.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from tapeflow.flows.live.model import Snapshot
from tapeflow.flows.live.source import RunEndedError
from tapeflow.flows.serve.cursor import Cursor, furthest, parse
from tapeflow.flows.serve.facts import Facts, TooFarError
from tapeflow.flows.serve.feed import EVERY_S, Feed
from tapeflow.flows.serve.query_thread import BusyError
from tapeflow.schemas.errors import TapeflowError

CLIENTS_MOST = 32
FULL_EVERY_S = 10.0  # a snapshot that differs by its ages alone is sent so often
BAR_KEYS = ("t", "o", "h", "l", "c", "v", "complete")


def open_stream(feed: Feed, request: Request, instrument: str) -> Response:
    """Return the stream of a client, from the place that it names or from now on."""
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    try:
        place = feed.cursor if text is None else parse(text)
    except ValueError:
        return PlainTextResponse("no place in the facts: load the page again", 400)
    if feed.clients >= CLIENTS_MOST:
        return PlainTextResponse(f"{CLIENTS_MOST} clients look already: close one", 503)
    return StreamingResponse(events(feed, place, instrument), media_type="text/event-stream")


async def events(feed: Feed, place: Cursor, instrument: str) -> AsyncIterator[bytes]:
    """Yield a message a second until the client leaves or the server stops."""
    feed.clients += 1
    sent: tuple[bytes, float] = (b"", 0.0)
    try:
        yield b"retry: 2000\n\n"
        while not feed.stopping.is_set():
            began = time.monotonic()
            await wait_for_read(feed)
            if place.generation != feed.cursor.generation:
                yield encode(place, {"reset": "these are other results now"})
                return
            try:
                facts = await feed.facts_behind(place, instrument)
                place = furthest(place, facts.cursor)
                body, sent = message(feed, facts, sent)
            except TooFarError:
                yield encode(place, {"reset": "too much has come meanwhile"})
                return
            except (TapeflowError, RunEndedError, BusyError) as error:
                body = {"error": str(error) or "the flow did not answer"}
            yield encode(place, body)
            await asyncio.sleep(max(EVERY_S - (time.monotonic() - began), 0.0))
    finally:
        feed.clients -= 1


async def wait_for_read(feed: Feed) -> None:
    """Wait until the flow is read again, or a second has passed."""
    if feed.snapshot is None or time.monotonic() - feed.read_s > 2 * EVERY_S:
        try:
            await asyncio.wait_for(feed.refresh(), EVERY_S)
        except TimeoutError:
            pass  # the message says how old its numbers are
        except BusyError:
            pass


def message(
    feed: Feed, facts: Facts, sent: tuple[bytes, float]
) -> tuple[dict[str, Any], tuple[bytes, float]]:
    """Return a message and what it was made of: the snapshot where it has changed."""
    body: dict[str, Any] = {
        "bars": [{name: bar[name] for name in BAR_KEYS} for bar in facts.bars],
        "fills": facts.fills,
        "equity": facts.equity,
        "age": round(time.monotonic() - feed.read_s, 1),
        "error": feed.error,
    }
    if feed.snapshot is not None:
        plain, now_s = msgspec.json.encode(without_ages(feed.snapshot)), time.monotonic()
        if plain != sent[0] or now_s - sent[1] > FULL_EVERY_S:
            body["snapshot"], sent = feed.snapshot, (plain, now_s)
    return body, sent


def without_ages(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without what changes by time alone."""
    run = msgspec.structs.replace(snapshot.run, commit_age_s=None)
    return msgspec.structs.replace(snapshot, taken_ns=0, ages_s={}, run=run)


def encode(place: Cursor, body: dict[str, Any]) -> bytes:
    """Return a message as an event whose id is the place."""
    return b"id: " + place.text().encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"
