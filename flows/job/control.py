"""The section [control] of a job file: who may command it, and how far.

[control]
keys = { alice = "ed25519:.." }
bounds = { "account:main" = { gross_max = ["0", "100000"] } }
"""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from tapeflow.flows.job.money import DecimalText
from tapeflow.flows.job.sections import Section, Span
from tapeflow.schemas.control import parse_key

if TYPE_CHECKING:
    from tapeflow.operators.desk.settings import ControlRules


def check_key(text: str) -> str:
    """Return the text of a key. Raises ValueError for another."""
    parse_key(text)
    return text


class Control(Section):
    """Commands that people sign: who may give them, and how far they go."""

    keys: dict[str, Annotated[str, AfterValidator(check_key)]] = Field(
        default={},
        description="Public keys, `ed25519:..` as `tapeflow control keygen` prints them, by who "
        "holds the private one. With keys the log has a partition `control-0`; without, none.",
    )
    max_age: Span = Field(
        default=60_000_000_000,
        description="A command that is older than this when it comes is refused, in log time.",
    )
    bounds: dict[str, dict[str, tuple[DecimalText, DecimalText]]] = Field(
        default={},
        description="Least and greatest value to which a command may set a limit, by scope and "
        "limit. A limit that is not listed cannot be set.",
    )

    owners: dict[str, str] = Field(
        default={},
        description="Who of `keys` answers for a strategy, by its name: that one cannot approve "
        "its orders. Those of others are approved by anybody with a key.",
    )

    @model_validator(mode="after")
    def check_all(self) -> Self:
        """Refuse one key for two names, and bounds that hold nothing."""
        if len(set(self.keys.values())) < len(self.keys):
            raise ValueError("keys: two names have the same key: four eyes need two")
        for strategy, who in self.owners.items():
            if who not in self.keys:
                raise ValueError(f"owners.{strategy}: {who} has no key")
        for scope, limits in self.bounds.items():
            for limit, (low, high) in limits.items():
                if low > high:
                    raise ValueError(f"bounds.{scope}.{limit}: {low} is above {high}")
        return self

    def public_keys(self) -> dict[str, bytes]:
        """Return the keys by who holds them."""
        return {who: parse_key(text) for who, text in self.keys.items()}

    def rules(self) -> "ControlRules | None":
        """Return what the desk is told, None where nobody may command it."""
        from tapeflow.operators.desk.settings import ControlRules  # noqa: PLC0415  # slow

        return ControlRules(self.max_age, self.bounds, self.owners) if self.keys else None
