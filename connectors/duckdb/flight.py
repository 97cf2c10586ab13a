"""Queries to a running flow: an Arrow Flight server in the process that owns the results.

    tapeflow query --results.duckdb.live: port, token--> owner --read-only transaction--> Arrow

It listens on the loopback only, and answers only those who may read the file with the token. A
result holds the facts of all committed epochs. It delays no commit: DuckDB reads from a snapshot.
A query ends with its reader, and at its limits (query_watch.py); the flow goes on.
"""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from socket import AF_INET, AF_INET6, SHUT_RDWR, socket
from threading import Timer
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import flight

from tapeflow.connectors.duckdb.query_result import (
    QueryResult,
    exact_relation,
    one_line,
    types_of,
)
from tapeflow.connectors.duckdb.query_watch import TIME_MAX_S, QueryWatch
from tapeflow.engine.threads import call_on_thread
from tapeflow.schemas.errors import TapeflowError

HOST = "127.0.0.1"
ANSWER_S = TIME_MAX_S + 30.0  # within which a result has arrived
STOP_S = 1.0  # for queries, and then for readers of their rows, when the flow ends
ROWS_MAX = 1_000_000  # of a result: it is built in the memory of the flow
READ_STATEMENTS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


def endpoint_file(results: Path) -> Path:
    """Return the file that holds port and token of the run that makes these results."""
    return results.with_name(results.name + ".live")


class QueryServer:
    """The server of a run, with its endpoint file."""

    def __init__(self, con: Any, results: Path) -> None:
        """Answer on cursors of the owner's connection until `close`."""
        self.path = endpoint_file(results)
        self.server = FlightServer(con, secrets.token_hex(16))
        endpoint = json.dumps({"port": self.server.port, "token": self.server.token})
        next_path = self.path.with_name(self.path.name + ".next")
        descriptor = os.open(next_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(endpoint)
        os.replace(next_path, self.path)

    def interrupt(self) -> bool:
        """Interrupt all queries, as the flow needs their memory; return whether there was one."""
        return self.server.watch.interrupt_all("the flow needed its memory", STOP_S)

    def close(self) -> None:
        """Remove the endpoint file and stop the server; readers have STOP_S to read on."""
        self.path.unlink(missing_ok=True)
        self.server.watch.close(STOP_S)
        late = Timer(STOP_S, hang_up, [self.server.port])
        late.start()
        self.server.shutdown()  # waits for all readers, also for one that reads no more
        late.cancel()


def hang_up(port: int) -> None:
    """Break all connections to a port of this process: what waits for their readers, fails."""
    for name in os.listdir("/dev/fd"):
        try:
            each = socket(fileno=int(name))
        except OSError:
            continue  # no socket
        with suppress(OSError):  # not connected, or closed meanwhile
            address, _peer = each.getsockname(), each.getpeername()
            if each.family in (AF_INET, AF_INET6) and address[1] == port:
                each.shutdown(SHUT_RDWR)
        each.detach()  # it stays its owner's


class FlightServer(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """The Flight protocol: one query per call."""

    def __init__(self, con: Any, token: str) -> None:
        super().__init__(f"grpc://{HOST}:0")
        self.con, self.token, self.watch = con, token, QueryWatch()

    def do_get(self, context: Any, ticket: Any) -> Any:
        """Return the result of the query in a ticket, `{"sql": .., "token": ..}`, as Arrow."""
        request = json.loads(ticket.ticket)
        if not secrets.compare_digest(str(request.get("token")), self.token):
            raise flight.FlightUnauthenticatedError("wrong token")
        try:
            with self.watch.watching(self.con, context.is_cancelled) as cursor:
                check_single_select(cursor, request["sql"])
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                return flight.RecordBatchStream(execute_exact(cursor, request["sql"]))
        except duckdb.Error as error:
            raise flight.FlightServerError(str(error)) from None


def check_single_select(cursor: Any, sql: str) -> None:
    """Raise FlightServerError unless `sql` is one statement that reads.

    A second statement could leave the read-only transaction.
    """
    statements = cursor.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in READ_STATEMENTS:
        raise flight.FlightServerError(
            "a running flow answers one SELECT at a time; it is read-only for all others"
        )


def execute_exact(cursor: Any, sql: str) -> Any:
    """Run a query and return a pyarrow.Table with DuckDB's types in its metadata.

    Raises duckdb.Error for a failed query, and for more than ROWS_MAX rows.
    """
    relation = cursor.sql(sql)
    if relation is None or not relation.columns:  # a statement without a result
        return pa.table({})
    table = exact_relation(relation).limit(ROWS_MAX + 1).to_arrow_table()
    if len(table) > ROWS_MAX:
        raise duckdb.InvalidInputException(f"more than {ROWS_MAX:,} rows: ask for fewer")
    return table.replace_schema_metadata({"types": "\n".join(types_of(relation))})


def to_query_result(table: Any) -> QueryResult:
    """Convert a table of `execute_exact` to plain rows."""
    types = (table.schema.metadata or {}).get(b"types", b"").decode().splitlines()
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return QueryResult(table.column_names, types, rows)


def query_running(results: Path, sql: str) -> QueryResult | None:
    """Return the result from the run that makes these results; None where none runs.

    Raises TapeflowError for a query that failed or took too long.
    """
    table = fetch_running(results, sql)
    return None if table is None else to_query_result(table)


def fetch_running(results: Path, sql: str) -> Any:
    """Return the result as the pyarrow.Table of `execute_exact`; None where no run answers.

    Raises TapeflowError for a query that failed or took too long.
    """
    try:
        endpoint = json.loads(endpoint_file(results).read_text())
        return call_on_thread(lambda: fetch(endpoint["port"], endpoint["token"], sql))
    except (OSError, ValueError, KeyError, flight.FlightUnavailableError):
        return None  # no run, or one that was killed
    except flight.FlightUnauthenticatedError:
        return None  # another run has the port now
    except flight.FlightTimedOutError:
        raise TapeflowError(f"the run did not answer within {ANSWER_S:g} s") from None
    except flight.FlightServerError as error:
        text = str(error).split("Flight returned", 1)[-1].split("with message: ")[-1]
        raise TapeflowError(f"the query failed: {one_line(text)}") from None


def fetch(port: int, token: str, sql: str) -> Any:
    """Return the result of a query as a pyarrow.Table."""
    ticket = flight.Ticket(json.dumps({"sql": sql, "token": token}))
    with flight.connect(f"grpc://{HOST}:{port}") as client:
        return client.do_get(ticket, flight.FlightCallOptions(timeout=ANSWER_S)).read_all()
