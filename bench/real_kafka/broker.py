"""Runs Apache Kafka without Docker: jars fetched by Maven, one broker on loopback, Java 17.

    python -m bench.real_kafka.broker        runs until Ctrl-C; its records stay in .kafka/data

Tests and benches use it as a context manager; each broker then begins empty, on free ports.
"""

import fcntl
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from string import Template
from typing import IO, Any, Self

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".kafka"  # jars and records; not under version control
START_S, STOP_S, REQUEST_S = 90.0, 60.0, 20.0  # waits at most
JAVA = ("java", "-Xms256m", "-Xmx512m", "-Djava.awt.headless=true")
LAST_LINES = 15  # of its log, shown where it does not start


def missing() -> str:
    """Return the names of the programs that are needed and not installed; empty if none."""
    return ", ".join(name for name in ("java", "mvn") if shutil.which(name) is None)


def jars() -> Path:
    """Fetch Kafka's jars the first time; return their folder.

    Raises RuntimeError where Maven fails.
    """
    lib = HOME / "lib"
    if not (lib / "complete").exists():
        goal = [
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={lib}",
        ]
        command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), *goal]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Maven could not fetch Kafka:\n{done.stdout[-2000:]}")
        (lib / "complete").touch()
    return lib


class RealBroker:
    """One Kafka broker in a process of its own."""

    def __init__(self, data: Path | None = None, port: int = 0, settings: str = "") -> None:
        """Prepare a broker; its records stay in `data`, or are deleted with it if that is None.

        `settings` are lines of server.properties that come last. Raises RuntimeError where another
        broker has the data or the port.
        """
        self.temporary = None if data else tempfile.TemporaryDirectory(prefix="kafka-")
        self.data = data or Path(str(self.temporary and self.temporary.name))
        self.data.mkdir(parents=True, exist_ok=True)
        if port and is_listening(port):
            raise RuntimeError(f"127.0.0.1:{port} is in use: does another Kafka run there?")
        self.lock = lock(self.data)
        self.port = port or free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.classes = f"{jars()}/*"
        self.settings = self.data / "server.properties"
        template = Template((HERE / "server.properties").read_text())
        values = {"port": self.port, "controller_port": free_port(), "data": self.data / "log"}
        self.settings.write_text(f"{template.substitute(values)}\n{settings}\n")
        self.process: subprocess.Popen[bytes] | None = None
        self._admin: Any = None
        if not (self.data / "log").exists():
            self._format()

    def _format(self) -> None:
        tool = [*JAVA, "-cp", self.classes, "kafka.tools.StorageTool"]
        done = subprocess.run([*tool, "random-uuid"], capture_output=True, text=True, check=True)
        cluster_id = done.stdout.split()[-1]
        command = [*tool, "format", "-t", cluster_id, "-c", str(self.settings)]
        subprocess.run(command, capture_output=True, check=True)

    def start(self) -> None:
        """Start the broker and wait until it answers.

        Raises RuntimeError, with the end of its log, where it does not.
        """
        command = [*JAVA, "-cp", self.classes, "kafka.Kafka", str(self.settings)]
        with (self.data / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                lines = (self.data / "server.log").read_text().splitlines()[-LAST_LINES:]
                raise RuntimeError("\n".join(("Kafka did not start:", *lines)))

    def _answers(self) -> bool:
        try:
            self.admin().list_topics(timeout=0.5)
        except KafkaException:
            return False
        return True

    def stop(self) -> None:
        """Shut the broker down in order; the records stay."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOP_S)
        self.process = None

    def kill(self) -> None:
        """Kill the broker; the records that it acknowledged stay."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_S)
        self.process = None

    set_up, set_down = start, stop  # as the embedded broker calls them

    def create_topic(
        self, name: str, partitions: int, config: dict[str, str] | None = None
    ) -> None:
        """Create a topic that does not exist yet, and wait until the broker lists it."""
        topic = NewTopic(name, partitions, 1, config=config or {})
        self.admin().create_topics([topic], request_timeout=REQUEST_S)[name].result()
        while name not in self.admin().list_topics(timeout=REQUEST_S).topics:
            time.sleep(0.01)

    def delete_records(self, topic: str, number: int, before: int) -> None:
        """Delete the records of a partition before an offset, as retention does."""
        until = TopicPartition(topic, number, before)
        self.admin().delete_records([until], request_timeout=REQUEST_S)[until].result()

    def admin(self) -> Any:
        """Return the admin client; create it the first time."""
        if self._admin is None:
            settings = {"reconnect.backoff.max.ms": 500, "log_level": 0}
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, **settings})
        return self._admin

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill() if self.temporary else self.stop()
        self.lock.close()
        if self.temporary:
            self.temporary.cleanup()


def lock(data: Path) -> IO[str]:
    """Lock a folder of records; RuntimeError where a broker of another process has it."""
    file = (data / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RuntimeError(f"a Kafka runs on {data} already: stop it first") from None
    return file


def is_listening(port: int) -> bool:
    """Return whether somebody listens on a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # either stops Java too, also in the background
        signal.signal(number, signal.default_int_handler)
    try:
        with RealBroker(HOME / "data", 9092) as broker:
            line = f"Kafka at {broker.bootstrap}, records in {broker.data}; Ctrl-C stops it"
            print(line, flush=True)
            try:
                while True:
                    time.sleep(1)
            except KeyboardInterrupt:
                print("stopping Kafka")
    except KeyboardInterrupt:
        sys.exit("stopped while it started")
    except (RuntimeError, OSError) as error:
        sys.exit(f"make kafka: {error}")
