"""`tapeflow serve`: a live web page of a flow."""

import argparse
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.schemas.errors import TapeflowError

PORT, PORT_MOST = 8080, 65_535
NEEDED = {"starlette", "uvicorn", "h11", "anyio"}


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "serve",
        "Serve a live web page of a flow on this machine, read only.",
        "serve --results results.duckdb",
        run,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on; any but the loopback needs --token (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=port, default=PORT, metavar="N",
        help="port; 0: a free one (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--token", metavar="TEXT|@FILE",
        help="secret of the address, at least 24 characters, or the file that holds it: what "
        "stands on a command line others can read (default: a fresh one)",
    )  # fmt: skip
    parser.add_argument(
        "--tapes", action="append", type=options.path, metavar="PATH",
        help="the log, for the raw frames of explanations; may be given several times",
    )  # fmt: skip
    options.add_results(parser)


def port(text: str) -> int:
    """Read a port."""
    if (number := options.natural(text)) > PORT_MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: at most {PORT_MOST}")
    return number


def run(args: Namespace) -> int:
    """Serve until a signal; to be stopped is the normal end."""
    from tapeflow.flows.serve.auth import choose_token

    token = choose_token(read_token(args.token), args.host)
    try:
        from tapeflow.flows.serve import server
        from tapeflow.flows.serve.app import Site
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in NEEDED:
            raise
        raise TapeflowError(f"the page needs {error.name}: pip install 'tapeflow[see]'") from None
    site = Site(args.results, args.tapes or [])
    with server.open_socket(args.host, args.port) as listening, suppress(KeyboardInterrupt):
        site.feed.watch.refresh()  # nothing to show is an error of the command
        name = f"[{args.host}]" if ":" in args.host else args.host
        number = listening.getsockname()[1]
        print(f"http://{name}:{number}/?token={token}", flush=True)
        server.serve(site, token, args.host, listening)
    return 0


def read_token(text: str | None) -> str | None:
    """Return the token of the option: itself, or the first line of the file that it names."""
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TapeflowError(f"--token {text}: cannot be read: {error}") from None
