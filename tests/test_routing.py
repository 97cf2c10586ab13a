"""State keys, compared with the engine: a partition's state lives where it is read."""

from threading import get_ident

import numpy as np
import pytest
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.testing import TestingSink, cluster_main

from tapeflow.engine.routing import siphash13, state_keys

PARTITIONS = [f"binance-{n}" for n in range(12)] + ["binance-usdm-0", "coinbase-0", "coinbase-1"]


class OnePage(StatefulSourcePartition):
    def __init__(self, item):
        self.items = [item]

    def next_batch(self):
        if not self.items:
            raise StopIteration
        return [self.items.pop()]

    def snapshot(self):
        return None


class ThreadSource(FixedPartitionedSource):
    """A source whose partitions send the id of the thread that reads them."""

    def __init__(self, keys):
        self.keys = keys

    def list_parts(self):
        return [f"{index:04d} {name}" for index, name in enumerate(self.keys)]

    def build_part(self, step_id, for_part, resume_state):
        name = for_part.partition(" ")[2]
        return OnePage((self.keys[name], (name, get_ident())))


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_the_state_of_a_partition_lives_on_the_worker_that_reads_it(workers):
    found = []

    def add_thread(state, value):
        return state, (*value, get_ident())

    flow = Dataflow("threads")
    pages = op.input("log", flow, ThreadSource(state_keys(PARTITIONS)))
    op.output("out", op.stateful_map("stateful", pages, add_thread), TestingSink(found))
    cluster_main(flow, [], 0, worker_count_per_proc=workers)
    assert {part for _, (part, _, _) in found} == set(PARTITIONS)
    assert all(read == stateful for _, (_, read, stateful) in found)
    assert len({read for _, (_, read, _) in found}) == workers


def test_siphash_agrees_with_rusts_default_hasher():
    # Values of Rust's DefaultHasher, which is SipHash-1-3 under a zero key.
    assert siphash13(np.empty((1, 0), np.uint8)) == [0xD1FBA762150C532C]
    two = np.array([[*range(8)], [0] * 8], np.uint8)
    eight, seven = siphash13(two), siphash13(two[:1, :7])
    assert len({*eight.tolist(), *seven.tolist()}) == 3


def test_state_keys_are_stable_from_run_to_run():
    keys = state_keys(["binance-0", "coinbase-0"])
    assert keys == {"binance-0": "binance-0~2224", "coinbase-0": keys["coinbase-0"]}
    more = state_keys(["binance-0", "coinbase-0", "binance-1"])
    assert keys.items() <= more.items(), "another partition changes no other key"
