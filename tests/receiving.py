"""A receiver of webhooks in tests: a real HTTP server that accepts, fails, hangs or drips."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """What a server has received, and how it answers."""

    def __init__(self, answers=()):
        """Answer with these in turn, a status, `hang` or `drip`, and then with 200."""
        self.answers = list(answers)
        self.requests = []  # (monotonic time, path, headers, payload) of each
        self.accepted = []  # payloads that were answered with 200
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.url = ""

    @property
    def ids(self):
        """The ids of what was accepted."""
        return [each["id"] for each in self.accepted]

    def wait(self, count, patience_s=20):
        """Wait until so many are accepted."""
        deadline = time.monotonic() + patience_s
        while len(self.accepted) < count:
            assert time.monotonic() < deadline, f"{len(self.accepted)} of {count} accepted"
            time.sleep(0.01)


@contextmanager
def receiving(*answers, header=(), tls=None):
    """Run a receiver inside the `with` block; `header` is one more of its answers that fail;
    `tls` is the context of a server that is encrypted."""
    receiver = Receiver(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with receiver.lock:
                receiver.requests.append((time.monotonic(), self.path, dict(self.headers), payload))
                answer = receiver.answers.pop(0) if receiver.answers else 200
            if answer == "hang":
                receiver.released.wait(30)
                return
            if answer == "drip":
                for byte in b"HTTP/1.1 200 OK\r\n" * 100:
                    if receiver.released.wait(0.1):
                        return
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                return
            if answer == 200:
                with receiver.lock:
                    receiver.accepted.append(payload)
            self.send_response(answer)
            if answer != 200 and header:
                self.send_header(*header)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass  # the client has gone

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    receiver.url = f"{scheme}://127.0.0.1:{server.server_port}/hook/secret-path"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
