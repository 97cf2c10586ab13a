"""Serving in tests: the command as a process on a free port, and clients that may see the page."""

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx

from tests.running import ROOT


class Served:
    """A page that is served: its address, and clients of it."""

    def __init__(self, process, line) -> None:
        """Take the address from the line that the command printed."""
        self.process, self.url = process, line.strip()
        self.base, self.token = self.url.split("/?token=")
        self.port = int(self.base.rsplit(":", 1)[1])

    @contextmanager
    def client(self):
        """A client with the cookie."""
        with httpx.Client(base_url=self.base, timeout=20) as client:
            assert client.get(f"/?token={self.token}").status_code == 303
            yield client

    def stop(self, number):
        """Send a signal; the exit code and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(10), time.monotonic() - began


@contextmanager
def start_server(results, *options):
    """`tapeflow serve` on a free port, killed at the end."""
    command = [sys.executable, "-m", "tapeflow", "serve", "--results", results, "--port", 0]
    process = subprocess.Popen(
        list(map(str, [*command, *options])), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    late = threading.Timer(60, process.kill)
    late.start()
    try:
        line = process.stdout.readline()
        late.cancel()
        assert line.startswith("http://"), process.stderr.read()
        yield Served(process, line)
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def messages(client, instrument, count, place=None, **params):
    """Yield the id and the body of so many messages of the stream."""
    headers = {} if place is None else {"Last-Event-ID": place}
    address = {"instrument": instrument, **params}
    with client.stream("GET", "/stream", params=address, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        name = None
        for line in answer.iter_lines():
            if line.startswith("id: "):
                name = line[4:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])
                count -= 1
                if not count:
                    return
