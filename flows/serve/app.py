"""The pages and answers of `tapeflow serve`. None takes SQL, none changes anything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tapeflow.flows.live.source import RunEndedError
from tapeflow.flows.serve import bars
from tapeflow.flows.serve.auth import Doorkeeper
from tapeflow.flows.serve.chain_page import explain_page, page
from tapeflow.flows.serve.feed import Feed
from tapeflow.flows.serve.files import read_files, read_index
from tapeflow.flows.serve.guard import Guard
from tapeflow.flows.serve.query_thread import BusyError, QueryThread
from tapeflow.flows.serve.stream import open_stream
from tapeflow.schemas.errors import TapeflowError

NAME_MOST = 200  # characters of an id


class Site:
    """The pages over one feed."""

    def __init__(self, results: Path, tapes: list[Path]) -> None:
        """Serve some results; `tapes` are the log, for the frames of explanations."""
        self.tapes = tapes
        self.feed, self.chains = Feed(results), QueryThread()
        self.files, self.index = read_files(), read_index()
        self.listed: list[str] = []

    async def show_index(self, _request: Request) -> Response:
        """Answer with the page."""
        return HTMLResponse(self.index)

    async def show_file(self, request: Request) -> Response:
        """Answer with a script or a style sheet."""
        found = self.files.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("no such file\n", 404)
        return Response(found[0], media_type=found[1])

    async def show_state(self, _request: Request) -> Response:
        """Answer with all that the page begins with, and the place in the facts."""
        await self.feed.refresh()
        place = self.feed.cursor  # before the reads: what they have beyond it comes once more
        read = self.feed.read
        return as_json({
            "id": place.text(),
            "snapshot": self.feed.snapshot,
            "error": self.feed.error,
            "instruments": await self.instruments(),
            "equity": await self.feed.thread.run(lambda: bars.equity(read)),
        })  # fmt: skip

    async def show_bars(self, request: Request) -> Response:
        """Answer with bars before a time, and the fills in them."""
        instrument, query = request.query_params.get("instrument", ""), request.query_params
        if instrument not in await self.instruments():
            return PlainTextResponse("no such instrument\n", 404)
        limit = whole(query.get("limit", str(bars.LIMIT)), 1, bars.LIMIT_MOST)
        before = query.get("before")
        before_ms = None if before is None else whole(before, 0, bars.TIMES_MOST)
        if limit is None or (before is not None and before_ms is None):
            return PlainTextResponse("before: ms since 1970; limit: at most 5000\n", 400)
        read = self.feed.read
        call = partial(bars.history, read, instrument, before_ms, limit)
        return as_json(await self.feed.thread.run(call))

    async def show_stream(self, request: Request) -> Response:
        """Answer with the stream of what happens."""
        instrument = request.query_params.get("instrument", "")
        if instrument not in await self.instruments():
            return PlainTextResponse("no such instrument\n", 404)
        return open_stream(self.feed, request, instrument)

    async def show_chain(self, request: Request) -> Response:
        """Answer with the explanation of a fact."""
        name = request.path_params["name"]
        if len(name) > NAME_MOST or not name.isprintable():
            return PlainTextResponse("no id of a fact\n", 400)
        if self.feed.snapshot is None:
            await self.feed.refresh()
        try:
            call = partial(explain_page, self.feed, self.tapes, name)
            return HTMLResponse(await self.chains.run(call))
        except TapeflowError as error:
            from html import escape  # noqa: PLC0415

            text = page("No explanation", f'<p class="note">{escape(str(error))}</p>')
            return HTMLResponse(text, 404)

    async def instruments(self) -> list[str]:
        """Return the instruments of the job; read again while none is known."""
        if not self.listed:
            if self.feed.snapshot is None:
                await self.feed.refresh()
            self.listed = await self.feed.thread.run(lambda: bars.instruments(self.feed.read))
        return self.listed


def build_app(site: Site, door: Doorkeeper) -> Guard:
    """Return the application behind its guard."""

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(site.feed.follow())
        yield
        site.feed.stopping.set()
        following.cancel()

    routes: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
        ("/", site.show_index), ("/assets/{name}", site.show_file), ("/state", site.show_state),
        ("/bars", site.show_bars), ("/stream", site.show_stream),
        ("/explain/{name:path}", site.show_chain),
    ]  # fmt: skip
    handlers: dict[Any, Any] = {
        TapeflowError: refuse, RunEndedError: refuse, BusyError: refuse,
    }  # fmt: skip
    app = Starlette(
        routes=[Route(path, call, methods=["GET"]) for path, call in routes],
        lifespan=life, exception_handlers=handlers,
    )  # fmt: skip
    return Guard(app, door)


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer where the flow does not."""
    return PlainTextResponse(f"{error or 'the flow does not answer now: try again'}\n", 503)


def as_json(body: dict[str, Any]) -> Response:
    """Return values as JSON: Decimals as text."""
    return Response(msgspec.json.encode(body), media_type="application/json")


def whole(text: str, least: int, most: int) -> int | None:
    """Return a whole number in bounds; None for anything else.

    >>> whole("7", 1, 9), whole("7; DROP TABLE bars", 1, 9), whole("10", 1, 9)
    (7, None, None)
    """
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)):
        return None
    return number if least <= (number := int(text)) <= most else None
