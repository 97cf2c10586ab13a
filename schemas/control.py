"""Signed commands: their frames in the log, how they are written, signed and verified.

    {"args":{},"do":"halt","k":"control","n":1795766400000000000,"scope":"account:main",
     "sig":"..","v":1,"who":"alice"}

`sig` is Ed25519, in base64, over the canonical JSON of the frame without it: keys sorted, no
spaces, UTF-8. A frame in the log is canonical itself: one that says the same in other bytes is
refused as if its signature were wrong. The values of `args` are texts. Keys are 32 bytes as
`ed25519:` and base64; the public one is in the job, the private one with its holder.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from tapeflow.schemas.time import LogPosition, Ns

CONTROL = "control"  # the name of its partitions, `control-0`, as that of a venue
VERSION = 1
FIELDS = frozenset({"v", "k", "who", "n", "do", "scope", "args", "sig"})
TEXTS = ("who", "do", "scope", "sig")
ACTIONS: Mapping[str, frozenset[str]] = {  # by name: the arguments that it has
    "halt": frozenset(),
    "reduce": frozenset(),
    "kill": frozenset(),
    "resume": frozenset(),
    "flatten": frozenset(),
    "cancel": frozenset(),
    "restrict": frozenset({"side"}),
    "set-limit": frozenset({"limit", "value"}),
    "approve": frozenset({"order"}),
}
OPTIONAL: Mapping[str, frozenset[str]] = {"resume": frozenset({"reset"})}
NUMBER_MAX = 2**63 - 1
KEY = "ed25519:"
KEY_BYTES, SIGNATURE_BYTES = 32, 64

Doubt = Literal["", "UNKNOWN_KEY", "BAD_SIGNATURE"]


class SignedCommand(Struct, frozen=True):
    """A command as it came in the log, and whether its signature is that of who it names."""

    id: str  # sha256 of the signed text, its first 24 hex digits
    who: str
    number: int
    action: str
    scope: str
    args: dict[str, str]
    doubt: Doubt  # "": it is signed by `who`
    time_ns: Ns  # log time
    partition: str
    offset: int

    @property
    def position(self) -> LogPosition:
        """Where it is in the log."""
        return self.time_ns, self.partition, self.offset


def canonical(value: Any) -> bytes:
    """Return a value as canonical JSON.

    >>> canonical({"b": "x", "a": 1})
    b'{"a":1,"b":"x"}'

    Raises UnicodeEncodeError for half of a surrogate pair.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed_text(frame: Mapping[str, Any]) -> bytes:
    """Return what is signed of a frame: all of it but `sig`."""
    return canonical({name: value for name, value in frame.items() if name != "sig"})


def command_id(text: bytes) -> str:
    """Return the id of a command, by its signed text."""
    return hashlib.sha256(text).hexdigest()[:24]


def make_frame(who: str, number: int, action: str, scope: str, args: Mapping[str, str]) -> Any:
    """Return a frame that is not signed yet."""
    return {
        "v": VERSION, "k": CONTROL, "who": who, "n": number, "do": action, "scope": scope,
        "args": dict(args),
    }  # fmt: skip


def sign(frame: Mapping[str, Any], private: bytes) -> bytes:
    """Return the bytes of a frame with its signature; `private` has 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # slow
        Ed25519PrivateKey,
    )

    signature = Ed25519PrivateKey.from_private_bytes(private).sign(signed_text(frame))
    return canonical({**frame, "sig": base64.b64encode(signature).decode()})


def verify(data: bytes, frame: Mapping[str, Any], public: bytes) -> bool:
    """Return whether the bytes of a frame are canonical, and signed by the holder of a key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # slow
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    signature = from_base64(frame["sig"], SIGNATURE_BYTES)
    if signature is None or canonical(frame) != data:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed_text(frame))
    except InvalidSignature:
        return False
    return True


def new_private_key() -> bytes:
    """Return 32 random bytes: a private key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # slow
        Ed25519PrivateKey,
    )

    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key(private: bytes) -> bytes:
    """Return the public key of a private one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # slow
        Ed25519PrivateKey,
    )

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def format_key(key: bytes) -> str:
    """Return a key as text."""
    return KEY + base64.b64encode(key).decode()


def parse_key(text: str) -> bytes:
    """Return the bytes of a key.

    Raises ValueError for what is none.
    """
    key = from_base64(text.removeprefix(KEY), KEY_BYTES) if text.startswith(KEY) else None
    if key is None:
        raise ValueError(f"no key: write {KEY} and 32 bytes in base64")
    return key


def from_base64(text: str, size: int) -> bytes | None:
    """Return so many bytes, or None where a text is not the one way to write them."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == size and base64.b64encode(found).decode() == text else None


class ControlCommand(Struct, frozen=True, gc=False):
    """A signed command of the log, and what became of it."""

    id: str  # sha256 of the signed text, its first 24 hex digits
    who: str  # it says so itself; of BAD_SIGNATURE and UNKNOWN_KEY anybody may have said it
    number: int  # greater than any that `who` gave before
    action: str  # halt | reduce | resume | kill | approve | set-limit | restrict | flatten | cancel
    scope: str  # what it concerns, such as account:main
    args: str  # JSON
    verdict: str  # DONE | REFUSED
    reason: str  # code of a refusal: BAD_SIGNATURE, REPLAYED, TOO_OLD, UNKNOWN_SCOPE, ..
    detail: str  # of a refusal: what was found
    time_ns: Ns  # log time of its record
    partition: str  # of its record
    offset: int  # of its record
