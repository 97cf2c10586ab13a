"""Findings as text: of the deciding one a line, of all of them JSON."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tapeflow.schemas.risk import Finding

ENCODER = msgspec.json.Encoder()


def encode_findings(findings: Sequence[Finding]) -> str:
    """Return findings as JSON: `[code, passed, observed, limit, scope]` each; "" of none."""
    return ENCODER.encode(findings).decode() if findings else ""


def describe(finding: Finding) -> str:
    """Return a finding as a line.

    >>> describe(Finding("GROSS_LIMIT", False, 1010.5, Decimal("1000"), "account:main"))
    'GROSS_LIMIT: observed=1010.5, limit=1000, scope=account:main'
    """
    observed = "unknown" if finding.observed is None else format_number(finding.observed)
    scope = f", scope={finding.scope}" if finding.scope else ""
    return f"{finding.code}: observed={observed}, limit={format_number(finding.limit)}{scope}"


def format_number(value: Decimal | float | str | None) -> str:
    """Return a number as it is written, a decimal without trailing zeros."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)
