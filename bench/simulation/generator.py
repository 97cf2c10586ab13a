"""Random jobs and logs: each seed switches some oddities on, and leaves others off."""

import random

from bench.simulation.case import Case, Listed
from bench.simulation.frames import heartbeat
from bench.simulation.job_generator import SECOND, draw_instruments, draw_job, fit_lots
from bench.simulation.log_generator import draw_partition
from bench.simulation.log_shape import draw_shares, draw_times


def make_case(seed: int) -> Case:
    """Return the case of a seed."""
    draw = random.Random(seed)
    busy = draw.random() < 0.6  # many decisions, rather than many oddities
    instruments = draw_instruments(draw, busy)
    job = draw_job(draw, instruments, busy)
    fit_lots(instruments, job["strategies"])
    job["instruments"] = {
        each.id: {
            "tick": str(each.tick), "lot": str(each.lot), "multiplier": str(each.multiplier),
            "venue_symbol": each.symbol,
        }
        for each in instruments
    }  # fmt: skip
    times, shares = (
        draw_times(draw, busy),
        draw_shares(draw, job["bars"], job["market"]["time_unit"]),
    )
    names = sorted(  # of a topic all partitions up to the last that is used
        f"{venue}-{number}"
        for venue, last in last_partitions(instruments).items()
        for number in range(last + 1)
    )
    log = {name: draw_partition(draw, name, instruments, times, shares) for name in names}
    if draw.random() < 0.15 and (full := [name for name in names if log[name]]):
        name = draw.choice(full)  # long after: an hour, or a year and more
        pause_ns = draw.choice([3600, 86400 * 400]) * SECOND
        log[name].append(heartbeat(log[name][-1].log_ns + pause_ns))
    return Case(seed, job, log, tuple(instruments))


def last_partitions(instruments: list[Listed]) -> dict[str, int]:
    """Return the largest number of a partition that is used, by venue."""
    last: dict[str, int] = {}
    for each in instruments:
        number = int(each.partition.rpartition("-")[2])
        last[each.venue] = max(last.get(each.venue, 0), number)
    return last
