"""The instrument table of a job, built from its settings and the venues' symbols."""

from tapeflow.flows.job.settings import Job
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import (
    Instrument,
    InstrumentIdParts,
    InstrumentTable,
    derive_contract,
    parse_id,
)
from tapeflow.schemas.venues import VENUES


def instrument_table(job: Job) -> InstrumentTable:
    """Build the table of a job's instruments.

    Raises UsageError for a wrong id, and for two instruments with one symbol at their venue.
    """
    table = InstrumentTable.from_rows(read_instrument(job, name) for name in job.instruments)
    by_symbol: dict[tuple[str, str], Instrument] = {}
    for row in table.rows:
        other = by_symbol.setdefault((row.venue, row.venue_symbol), row)
        if other is not row:
            raise UsageError(
                f"instruments: {other.id} and {row.id} are both {row.venue_symbol} there"
            )
    return table


def read_instrument(job: Job, instrument_id: str) -> Instrument:
    """Build one instrument from its id and its settings."""
    try:
        parts = parse_id(instrument_id)
    except ValueError as error:
        raise UsageError(f"instruments: {error}") from None
    venue = VENUES.get(parts.venue.lower())
    if venue is None:
        known = ", ".join(VENUES).upper()
        raise UsageError(f"instruments: {instrument_id} is of no venue we know: {known}")
    row = job.instruments[instrument_id]
    symbol = row.venue_symbol or venue.venue_symbol(parts.base, parts.quote)
    if parts.kind == "spot" and row.contract not in (None, "linear"):
        raise UsageError(f"instruments.{instrument_id}: spot cannot be {row.contract}: no contract")
    contract = row.contract or derive_contract(parts, symbol)
    return Instrument(
        id=instrument_id,
        venue=parts.venue,
        base=parts.base,
        quote=parts.quote,
        kind=parts.kind,
        venue_symbol=symbol,
        tick=row.tick,
        lot=row.lot,
        multiplier=row.multiplier,
        contract=contract,
        settle=settlement(instrument_id, parts, contract, row.settle),
        min_size=row.min_size,
        max_size=row.max_size,
        min_notional=row.min_notional,
        self_trade=row.self_trade,
    )


def settlement(instrument_id: str, parts: InstrumentIdParts, contract: str, named: str) -> str:
    """Return the currency in which an instrument pays profit.

    Raises UsageError where the contract and the currency do not belong together.
    """
    place = f"instruments.{instrument_id}"
    if contract == "quanto":
        if named in ("", parts.quote):
            raise UsageError(
                f"{place}: a quanto contract pays in another currency than its quote: "
                "name it with settle"
            )
        return named
    usual = parts.base if contract == "inverse" else parts.quote
    if named not in ("", usual):
        raise UsageError(
            f"{place}: a contract that is {contract} pays in {usual}, not in {named}: leave out "
            'settle, or write contract = "quanto"'
        )
    return usual


def listed_venues(job: Job) -> list[str]:
    """Return the venues of which a job lists instruments: a run reads the partitions of no other.

    Those, of tapes and topics alike, would add nothing but waiting for their records.

    Raises UsageError for a wrong id.
    """
    return sorted({row.venue.lower() for row in instrument_table(job).rows})
