"""The fee table of a job, from its settings: what a section leaves out is that of the one above."""

from decimal import Decimal

from tapeflow.flows.job.paper import Paper, VenueFees
from tapeflow.operators.desk import fees

BPS = Decimal(10_000)
NO_TIERS = VenueFees()


def fee_table(paper: Paper) -> fees.FeeTable:
    """Return the fees of each venue."""
    by_venue = {name.lower(): venue_fees(paper, each) for name, each in paper.fees.items()}
    return fees.FeeTable(venue_fees(paper, NO_TIERS), by_venue)


def venue_fees(paper: Paper, section: VenueFees) -> fees.VenueFees:
    """Return the fees of one venue."""
    maker = first_known(section.maker_bps, paper.maker_bps, paper.fee_bps)
    taker = first_known(section.taker_bps, paper.taker_bps, paper.fee_bps)
    tiers = [fees.FeeTier(Decimal(0), maker / BPS, taker / BPS)]
    for tier in section.tiers:
        maker, taker = first_known(tier.maker_bps, maker), first_known(tier.taker_bps, taker)
        tiers.append(fees.FeeTier(tier.volume, maker / BPS, taker / BPS))
    return fees.VenueFees(tuple(tiers), section.currency)


def first_known(*values: Decimal | None) -> Decimal:
    """Return the first value that is given; the last one always is."""
    return next(value for value in values if value is not None)
