"""Frames of signed commands: one way to write each, and no byte that can be changed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.operators.decode.control import decode_controls
from tapeflow.schemas.batches import Page
from tapeflow.schemas.control import (
    command_id,
    format_key,
    make_frame,
    new_private_key,
    parse_key,
    public_key,
    sign,
    signed_text,
)

PRIVATE = bytes(range(32))
KEYS = {"alice": public_key(PRIVATE)}
FRAME = make_frame("alice", 1_795_766_400_000_000_000, "set-limit", "account:main",
                   {"limit": "gross_max", "value": "10"})  # fmt: skip
SIGNED = sign(FRAME, PRIVATE)


def decode_frames(*frames):
    page = Page.from_frames("control-0", 5, [10 + n for n in range(len(frames))], list(frames))
    return decode_controls(page, KEYS)


def doubts(*frames):
    return [each.doubt for each in decode_frames(*frames).controls]


def sign_frame(**changes):
    return sign({**FRAME, **changes}, PRIVATE)


def test_the_vector_of_a_signed_frame_stays_as_it_is():
    assert format_key(KEYS["alice"]) == "ed25519:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    assert signed_text(FRAME) == (
        b'{"args":{"limit":"gross_max","value":"10"},"do":"set-limit","k":"control",'
        b'"n":1795766400000000000,"scope":"account:main","v":1,"who":"alice"}'
    )
    assert sign(dict(reversed(FRAME.items())), PRIVATE) == SIGNED
    assert command_id(signed_text(FRAME)) == VECTOR_ID


VECTOR_ID = "31876b97175f6681e5962fc2"


def test_a_signed_frame_is_a_command_at_its_place():
    (command,) = decode_frames(b"", SIGNED).controls
    assert (command.doubt, command.who, command.action) == ("", "alice", "set-limit")
    assert command.position == (11, "control-0", 6)
    assert command.id == command_id(signed_text(FRAME))


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 255))
def test_no_changed_byte_is_believed(at, byte):
    changed = SIGNED[:at] + bytes([byte]) + SIGNED[at + 1 :]
    batch = decode_frames(changed)
    if changed != SIGNED:
        assert all(each.doubt for each in batch.controls)
        assert len(batch.controls) + len(batch.dead_letters) == 1


@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame_are_dead_letters(data):
    batch = decode_frames(data)
    assert not batch.controls
    assert len(batch.dead_letters) == bool(data)


OTHER_SPELLINGS = {
    "spaces": json.dumps(json.loads(SIGNED), sort_keys=True).encode(),
    "order of keys": json.dumps(
        dict(reversed(json.loads(SIGNED).items())), separators=(",", ":")
    ).encode(),
    "a key twice": SIGNED.replace(b'"k":', b'"k":"other","k":'),
    "an escape": SIGNED.replace(b"halt", b"h\\u0061lt").replace(b"account", b"\\u0061ccount"),
    "a space behind it": SIGNED + b" ",
    "a newline before it": b"\n" + SIGNED,
}


@pytest.mark.parametrize("frame", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS)
def test_another_spelling_of_a_signed_frame_is_a_bad_signature(frame):
    assert doubts(frame) == ["BAD_SIGNATURE"]


NO_FRAMES = {
    "other numbers of one": {"v": 1.0},
    "true for one": {"v": True},
    "a number that is none": {"n": "1"},
    "a number as a float": {"n": 1.5},
    "a huge number": {"n": 10**40},
    "a number below one": {"n": 0},
    "an argument that is no text": {"args": {"value": 10}},
    "arguments as a list": {"args": []},
    "another kind": {"k": "trade"},
    "a name that is no text": {"who": None},
    "a field more": {"more": 1},
}


@pytest.mark.parametrize("changes", NO_FRAMES.values(), ids=NO_FRAMES)
def test_what_is_no_frame_of_a_command_is_a_dead_letter_even_signed(changes):
    batch = decode_frames(sign_frame(**changes))
    assert (len(batch.controls), len(batch.dead_letters)) == (0, 1)


def test_half_a_surrogate_pair_is_a_dead_letter():
    frame = SIGNED.replace(b"account:main", b"\\ud800")
    assert len(decode_frames(frame).dead_letters) == 1


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_of_any_script_can_be_signed(text):
    assert doubts(sign_frame(scope=text, args={"order": text})) == [""]


def test_the_key_of_another_and_a_name_that_is_not_listed_are_told_apart():
    other = new_private_key()
    assert doubts(sign(FRAME, other)) == ["BAD_SIGNATURE"]
    assert doubts(sign({**FRAME, "who": "eve"}, other)) == ["UNKNOWN_KEY"]


@pytest.mark.parametrize("sig", ["", "x", "AA==", json.loads(SIGNED)["sig"][:-3] + "R=="])
def test_a_signature_in_other_base64_is_bad(sig):
    frame = json.loads(SIGNED)
    if frame["sig"] == sig:
        sig = sig[:-3] + "B=="
    assert doubts(
        json.dumps({**frame, "sig": sig}, sort_keys=True, separators=(",", ":")).encode()
    ) == ["BAD_SIGNATURE"]


@pytest.mark.parametrize(
    "text", ["", "ed25519:", "ed25519:AA==", "A" * 44, "rsa:" + "A" * 43 + "="]
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(ValueError, match="no key"):
        parse_key(text)
