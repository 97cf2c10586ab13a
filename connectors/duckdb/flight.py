"""The running flow answers queries itself: an Arrow Flight endpoint of the results' owner.

    tapeflow query --results.duckdb.live: port, token--> owner --read-only transaction--> Arrow

On the loopback only, and only for who may read the file that holds the token. An answer shows the
facts of all sealed epochs; it holds nobody up, as DuckDB's readers see a snapshot.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import duckdb
from pyarrow import flight

from tapeflow.connectors.duckdb.query_result import QueryResult, execute_exact, to_query_result
from tapeflow.schemas.errors import TapeflowError

HOST = "127.0.0.1"
ASK_S = 60.0
ROWS_MAX = 1_000_000  # of an answer: it is made in the memory of the flow
READ_STATEMENTS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


def endpoint_file(results: Path) -> Path:
    """Where the endpoint of a run that makes these results is written."""
    return results.with_name(results.name + ".live")


class QueryServer:
    """The endpoint, from the owner's side."""

    def __init__(self, con: Any, results: Path) -> None:
        """Answer over cursors of the owner's connection until `close`."""
        self.path = endpoint_file(results)
        self.server = Server(con, secrets.token_hex(16))
        told = json.dumps({"port": self.server.port, "token": self.server.token})
        beside = self.path.with_name(self.path.name + ".next")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(told)
        os.replace(beside, self.path)

    def close(self) -> None:
        """Answer no more."""
        self.path.unlink(missing_ok=True)
        self.server.shutdown()


class Server(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Runs one query a call."""

    def __init__(self, con: Any, token: str) -> None:
        super().__init__(f"grpc://{HOST}:0")
        self.con, self.token = con, token

    def do_get(self, context: Any, ticket: Any) -> Any:
        """The answer to the query in a ticket, `{"sql": .., "token": ..}`, as Arrow."""
        asked = json.loads(ticket.ticket)
        if not secrets.compare_digest(str(asked.get("token")), self.token):
            raise flight.FlightUnauthenticatedError("the token is another one")
        cursor = self.con.cursor()
        try:
            check_single_select(cursor, asked["sql"])
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            return flight.RecordBatchStream(execute_exact(cursor, asked["sql"], ROWS_MAX))
        except duckdb.Error as error:
            raise flight.FlightServerError(str(error)) from None
        finally:
            cursor.close()


def check_single_select(cursor: Any, sql: str) -> None:
    """One statement that asks; several could leave the read-only transaction."""
    statements = cursor.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in READ_STATEMENTS:
        raise flight.FlightServerError(
            "a running flow answers one SELECT at a time; it is read-only for all others"
        )


def query_running(results: Path, sql: str) -> QueryResult | None:
    """Ask the run that makes these results; None where none runs."""
    try:
        told = json.loads(endpoint_file(results).read_text())
        client = flight.connect(f"grpc://{HOST}:{told['port']}")
        ticket = flight.Ticket(json.dumps({"sql": sql, "token": told["token"]}))
        with client:
            options = flight.FlightCallOptions(timeout=ASK_S)
            return to_query_result(client.do_get(ticket, options).read_all())
    except (OSError, ValueError, KeyError, flight.FlightUnavailableError):
        return None  # nobody runs, or somebody who ended without a word
    except flight.FlightUnauthenticatedError:
        return None  # another run has taken the port since
    except flight.FlightTimedOutError:
        raise TapeflowError(f"the run did not answer within {ASK_S:g} s") from None
    except flight.FlightServerError as error:
        text = str(error).split("Flight returned", 1)[-1].split("with message: ")[-1]
        raise TapeflowError(f"the query failed: {one_line(text)}") from None


def one_line(error: str) -> str:
    """A message of DuckDB without its picture of the place."""
    return " ".join(error.split("\n\n", maxsplit=1)[0].split(". Detail:", maxsplit=1)[0].split())
