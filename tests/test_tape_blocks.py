"""Blocks that tapes are read into: lent again when nobody refers to them, never before."""

import gc
import threading
from queue import SimpleQueue

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapeflow.connectors.tapes import blocks, text_block
from tapeflow.connectors.tapes.blocks import lend_block
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.schemas.batches import PADDING, slice_page
from tests.running import REFERENCE, replay

T = 1_700_000_000_000_000_000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of few lines, so that many are lent."""
    monkeypatch.setattr(text_block, "PIECE_BYTES", 128)
    monkeypatch.setattr(text_block, "BLOCK_BYTES", 1024)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1024)
    monkeypatch.setattr(blocks, "_of_thread", threading.local())


def write_tape(folder, name, frames):
    path = folder / f"{name}.tape"
    path.write_bytes(b"".join(b"%d %b\n" % (T + n, frame) for n, frame in enumerate(frames)))
    return path


def address_of(array):
    return array.__array_interface__["data"][0]


HOLDS = {  # what may be held of a page, and the bytes of its frames read from that later
    "the page": (lambda page: page, lambda page: page.data),
    "a slice of it": (lambda page: slice_page(page, slice(0, 1)), lambda page: page.data),
    "its data": (lambda page: page.data, lambda data: data),
    "a view": (lambda page: page.data[1:].view(np.int8), lambda view: view.base),
    "a memoryview": (lambda page: page.data.data, lambda view: np.frombuffer(view, np.uint8)),
    "an array for a kernel": (lambda page: np.ascontiguousarray(page.data, np.uint8), lambda a: a),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_block_is_written_while_anything_of_its_page_is_held(tmp_path, data):
    readers, retained = [], []
    for number in range(data.draw(st.integers(1, 3))):
        sizes = data.draw(st.lists(st.sampled_from([0, 1, 40, 200, 1500]), max_size=60))
        frames = [bytes([97 + (number + n) % 26]) * size for n, size in enumerate(sizes)]
        path = write_tape(tmp_path, f"p-{number}", frames)
        records = data.draw(st.sampled_from([1, 3, 1000]))
        readers.append((TapeReader(f"p-{number}", (path,), records, None), frames, []))
    while unfinished := [each for each in readers if not each[0].ended]:
        reader, frames, read = data.draw(st.sampled_from(unfinished))
        if (page := reader.read()) is None:
            continue
        assert not page.data[-PADDING:].any()
        assert not page.data.flags.writeable
        read += [page.frame(number) for number in range(len(page.log_ns))]
        how = data.draw(st.sampled_from(["", *HOLDS]))
        if how:
            retained.append((how, HOLDS[how][0](page), page.data.tobytes()))
    for _, frames, read in readers:
        assert read == frames
    for how, held, content in retained:  # to the last zero behind the frames
        assert HOLDS[how][1](held).tobytes()[: len(content)] == content, how


def test_a_block_is_lent_again_when_the_last_view_of_it_is_gone():
    block = lend_block(100)
    at, view = address_of(block), block[3:5].view()
    del block
    other = lend_block(100)
    assert address_of(other) != at
    del view
    assert address_of(lend_block(100)) == at


def test_a_tape_whose_pages_are_dropped_is_read_into_one_block(tmp_path):
    path = write_tape(tmp_path, "p-0", [b"x" * 90] * 400)
    reader, addresses = TapeReader("p-0", (path,), 1000, None), set()
    while (page := reader.read()) is not None:
        addresses.add(address_of(page.data))
        del page
    assert len(addresses) == 1


def test_of_many_blocks_that_were_held_together_only_some_are_kept():
    held = [lend_block(100) for _ in range(3 * blocks.BLOCKS_MAX)]
    assert len({*map(address_of, held)}) == len(held)
    del held
    gc.collect()
    retained = blocks._of_thread.blocks
    assert len(retained) == blocks.BLOCKS_MAX
    assert all(each.lease() is None for each in retained)


def test_a_thread_never_writes_into_pages_that_another_one_holds(tmp_path):
    pages, wrong = SimpleQueue(), []
    frames = [b"%d" % n * 20 for n in range(3000)]
    path = write_tape(tmp_path, "p-0", frames)

    def check():
        held = []
        while (item := pages.get()) is not None:
            held.append(item)
            if len(held) > 5:  # some later than others
                page, number = held.pop(len(held) % 3)
                own = [page.frame(at) for at in range(len(page.log_ns))]
                if own != frames[number : number + len(own)]:
                    wrong.append(number)

    def read():
        reader, number = TapeReader("p-0", (path,), 7, None), 0
        while (page := reader.read()) is not None:
            pages.put((page, number))
            number += len(page.log_ns)
        pages.put(None)

    threads = [threading.Thread(target=each) for each in (check, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_replay_by_two_workers_has_the_same_digest_in_small_blocks(tmp_path, monkeypatch):
    small = replay(REFERENCE / "golden", tmp_path / "small.duckdb", workers=2)
    monkeypatch.undo()
    assert small == replay(REFERENCE / "golden", tmp_path / "large.duckdb")


def test_a_line_longer_than_many_blocks_is_read_whole(tmp_path):
    frames = [b"a", b"b" * 10_000, b"c" * 1023, b"", b"d" * 5_000]
    path = write_tape(tmp_path, "p-0", frames)
    path.write_bytes(path.read_bytes()[:-1])  # nor does it need its newline
    reader, read = TapeReader("p-0", (path,), 2, None), []
    while (page := reader.read()) is not None:
        read += [page.frame(number) for number in range(len(page.log_ns))]
    assert read == frames


@pytest.mark.parametrize("records", [1, 5, 1000])
def test_of_a_last_file_nothing_behind_the_damage_is_read(tmp_path, records):
    path = write_tape(tmp_path, "p-0", [b"x" * 30] * 50)
    path.write_bytes(path.read_bytes() + b"garbage\n" + path.read_bytes())
    notices = []
    reader, count = TapeReader("p-0", (path,), records, None, notices.append, salvage=True), 0
    while (page := reader.read()) is not None:
        count += len(page.log_ns)
    assert count == 50
    assert len(notices) == 1
