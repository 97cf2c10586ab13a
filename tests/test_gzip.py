"""gzip tapes: ISA-L and zlib read the same text, up to the same damage, and say the same of it."""

import gzip
import os
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.connectors.tapes import gzip_stream, text_file
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.connectors.tapes.text_file import TextFile
from tapeflow.schemas.errors import TapeflowError

T = 1_700_000_000_000_000_000
needs_isal = pytest.mark.skipif(not gzip_stream.HAS_ISAL, reason="isal is not installed")


def member(text, level=6, strategy=0):
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, 8, strategy)
    return packer.compress(text) + packer.flush()


def lines(count, first=0):
    return b"".join(b"%d %d\n" % (T + n, n * 7919**5) for n in range(first, first + count))


def read(path, size=1 << 16, byte=0):
    """Return the text from a byte on, why it ends, and the size of the file read for it."""
    text, block = b"", bytearray(size)
    try:
        file = TextFile(path, byte)
    except TapeflowError as error:
        return str(error)
    while count := file.readinto(memoryview(block)):
        text += block[:count]
    assert file.byte == byte + len(text)
    bytes_read = file.bytes_read()
    file.close()
    return text, file.damage, 0 if file.damage else bytes_read


@pytest.fixture(params=[pytest.param(True, marks=needs_isal), False], ids=["isal", "zlib"])
def library(request, monkeypatch):
    monkeypatch.setattr(text_file, "HAS_ISAL", request.param)


TEXT = lines(30_000)
CASES = {  # name: file, its text up to the damage, why it ends there
    "one member": (member(TEXT), TEXT, ""),
    "stored, not compressed": (member(TEXT, 0), TEXT, ""),
    "many members": (b"".join(member(lines(9, n)) for n in range(0, 900, 9)), lines(900), ""),
    "a member without text": (member(b"") + member(TEXT) + member(b""), TEXT, ""),
    "an empty file": (b"", b"", ""),
    "no byte of it is gzip": (b"1700000000 a\n" * 9, b"", "zlib inflate failed: incorrect header check"),
    "cut off in a header": (member(TEXT)[:5], b"", "Truncated compressed stream"),
    "cut off in the checksum": (member(TEXT)[:-3], TEXT, "Truncated compressed stream"),
    "cut off in the next header": (member(TEXT) * 2, TEXT, "Truncated compressed stream"),
    "garbage behind": (member(TEXT) + b"garbage", TEXT, "zlib inflate failed: incorrect header check"),
    "zeros behind": (member(TEXT) + bytes(512), TEXT, "zlib inflate failed: incorrect header check"),
    "a wrong checksum": (b"", TEXT, "zlib inflate failed: incorrect data check"),
    "a wrong length": (b"", TEXT, "zlib inflate failed: incorrect length check"),
    "unknown flags": (b"", b"", "zlib inflate failed: unknown header flags set"),
}  # fmt: skip


def content_of(name):
    content = bytearray(CASES[name][0] or member(TEXT))
    if name == "an empty file":
        return b""
    if name == "cut off in the next header":
        return bytes(content[: len(content) // 2 + 7])
    places = {"a wrong checksum": (-8, 1), "a wrong length": (-4, 1), "unknown flags": (3, 0x80)}
    place, bits = places.get(name, (0, 0))
    content[place] ^= bits
    return bytes(content)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("size", [1000, 1 << 22])
@pytest.mark.parametrize("name", CASES)
def test_all_text_before_the_damage_is_read_and_none_behind_it(tmp_path, name, size):
    path = tmp_path / "b.tape.gz"
    path.write_bytes(content_of(name))
    _, text, why = CASES[name]
    end = 0 if why else path.stat().st_size
    assert read(path, size) == (text, why and f"damaged or cut off: {why}", end)


@pytest.mark.usefixtures("library")
def test_a_stream_cut_off_anywhere_gives_all_text_that_its_bytes_hold(tmp_path):
    path, whole = tmp_path / "b.tape.gz", member(lines(200), 1)
    for end in range(20, len(whole), 7):
        path.write_bytes(whole[:end])
        text, damage, _ = read(path)
        assert text == zlib.decompressobj(31).decompress(whole[:end])
        assert damage == "damaged or cut off: Truncated compressed stream"


@pytest.mark.usefixtures("library")
def test_a_refused_tape_names_what_salvage_takes(tmp_path):
    path = tmp_path / "b.tape.gz"
    path.write_bytes(content_of("a wrong checksum"))
    notices = []
    pages = list(iter(TapeReader("b", (path,), 999, None, notices.append, salvage=True).read, None))
    assert pages[-1].next_offset == 30_000
    with pytest.raises(TapeflowError) as raised:
        list(iter(TapeReader("b", (path,), 999, None).read, None))
    line = "damaged or cut off: zlib inflate failed: incorrect data check: readable up to record 29999,"
    assert line in str(raised.value)
    assert line in notices[0]


@pytest.mark.usefixtures("library")
def test_a_resumed_tape_goes_on_where_it_was(tmp_path):
    path = tmp_path / "b.tape.gz"
    path.write_bytes(member(TEXT[:5000]) + member(TEXT[5000:]))
    for byte in (1, 4999, 5000, 400_000, len(TEXT)):
        assert read(path, byte=byte)[:2] == (TEXT[byte:], "")
    path.write_bytes(content_of("unknown flags"))
    assert (
        read(path, byte=7)
        == f"{path}: cannot be read: zlib inflate failed: unknown header flags set"
    )


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("content", "why"), [(member(TEXT), ""), (member(TEXT)[:-9], "Truncated")])
def test_a_pipe_is_read_like_a_file(tmp_path, content, why):
    path = tmp_path / "b.tape.gz"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    text, damage, _ = read(path)
    writer.join()
    assert why in damage
    assert text == zlib.decompressobj(31).decompress(content)


def damage(draw, content):
    """Cut a file off, change it, or write something behind it or into it."""
    place = draw(
        st.integers(0, max(len(content) - 1, 0)) | st.integers(0, min(len(content) - 1, 12))
    )
    junk = draw(st.binary(max_size=20) | st.integers(1, 600).map(bytes))
    return {
        "sound": content,
        "cut off": content[:place],
        "behind": content + junk,
        "into": content[:place] + junk + content[place:],
        "over": content[:place] + junk + content[place + len(junk) :],
    }[draw(st.sampled_from(["sound", "cut off", "behind", "into", "over"]))]


@needs_isal
@given(st.data())
def test_isa_l_and_zlib_agree_on_any_file(tmp_path_factory, data):
    draw = data.draw
    members = draw(
        st.lists(
            st.builds(
                lambda count, level, strategy, named: (
                    gzip.compress(lines(count)) if named else member(lines(count), level, strategy)
                ),
                st.sampled_from([0, 1, 9, 2000]), st.integers(0, 9), st.integers(0, 4), st.booleans(),
            ), min_size=1, max_size=3,
        )
    )  # fmt: skip
    path = tmp_path_factory.mktemp("gzip") / "b.tape.gz"
    path.write_bytes(damage(draw, b"".join(members)))
    size, byte = draw(st.sampled_from([50, 4096, 1 << 20])), draw(st.sampled_from([0, 0, 30]))
    with pytest.MonkeyPatch.context() as patch:
        got = []
        for fast in (True, False):
            patch.setattr(text_file, "HAS_ISAL", fast)
            got.append(read(path, size, byte))
    assert got[0] == got[1]
