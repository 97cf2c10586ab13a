"""The checks of the rules of risk, each by its code in the table of docs/risk.md, in their order."""

from tests.risk_books import ZERO, Books, Proposed, row_of, scopes_of

# A check returns True, or the code that refuses: "" for its own.
Found = bool | str


def check_state(books: Books, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    state = books.state_of(proposed)
    if any(scope in books.being_closed for scope in scopes_of(proposed.owner)):
        return ""
    return state == "ACTIVE" or (state == "REDUCING" and reduces) or ""


def check_restricted(
    books: Books, proposed: Proposed, before: list[Proposed], reduces: bool
) -> Found:
    side = "BUY" if proposed.side > 0 else "SELL"
    listed = {books.restricted.get(scope) for scope in scopes_of(proposed.owner)}
    return reduces or not listed & {side, "both"} or ""


def check_flip(books: Books, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    against, open_ = books.own(proposed, before)
    if against == 0 or proposed.reduce_only or books.flips(proposed.owner):
        return True
    return proposed.size <= max(against - open_, ZERO) or ""


def check_size(books: Books, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    return (
        reduces
        or all(proposed.size <= each for _, each in books.limits_of(proposed, "size_max"))
        or ""
    )


def check_notional(
    books: Books, proposed: Proposed, before: list[Proposed], reduces: bool
) -> Found:
    limits = [each for _, each in books.limits_of(proposed, "notional_max")]
    price = books.prices.closing(proposed.owner[2], long=proposed.side < 0)
    if reduces or not limits:
        return True
    if price is None:
        return "MARK_UNKNOWN"
    if proposed.side > 0 and proposed.limit is not None:
        price = max(price, proposed.limit)
    return all(proposed.size * price <= each for each in limits) or ""


def check_position(
    books: Books, proposed: Proposed, before: list[Proposed], reduces: bool
) -> Found:
    for scope, limit in () if reduces else books.limits_of(proposed, "position_max"):
        units, buys, sells = books.holdings(scope, [*before, proposed])[proposed.owner[2]]
        if max(abs(units + buys), abs(units - sells)) > limit:
            return ""
    return True


def check_gross(books: Books, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    for scope, limit in () if reduces else books.limits_of(proposed, "gross_max"):
        gross = ZERO
        for instrument, (units, buys, sells) in books.holdings(scope, [*before, proposed]).items():
            worth = []
            for worst in (units + buys, units - sells):
                price = books.prices.closing(instrument, long=worst > 0)
                if price is None:
                    return "MARK_UNKNOWN"
                worth.append(abs(worst) * price)
            gross += max(worth)
        if gross > limit:
            return ""
    return True


def check_open_orders(
    books: Books, proposed: Proposed, before: list[Proposed], reduces: bool
) -> Found:
    for scope, limit in () if reduces else books.limits_of(proposed, "open_orders_max"):
        at_work = sum(each.order.role == "entry" for each in books.living(scope))
        if at_work + len(before) + 1 > limit:
            return ""
    return True


def check_rate(books: Books, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    for scope, limit in () if reduces else books.limits_of(proposed, "orders_max"):
        since = proposed.position[0] - books.window_ns(scope)
        count = sum(at > since and each == scope for at, each in books.opened)
        count += sum(not books.only_reduces(each, before[:n]) for n, each in enumerate(before))
        if count + 1 > limit - limit // 5:
            return ""
    return True


def check_short(books: Books, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    if proposed.side > 0 or proposed.reduce_only or not row_of(proposed.owner).is_spot:
        return True
    against, open_ = books.own(proposed, before)
    return proposed.size <= max(against - open_, ZERO) or ""


CHECKS = {
    "STATE": check_state,
    "RESTRICTED": check_restricted,
    "FLIP": check_flip,
    "SIZE_MAX": check_size,
    "NOTIONAL_MAX": check_notional,
    "POSITION_LIMIT": check_position,
    "GROSS_LIMIT": check_gross,
    "OPEN_ORDERS": check_open_orders,
    "RATE_LIMIT": check_rate,
    "SPOT_SHORT": check_short,
}
RESIZED = ("SIZE_MAX", "NOTIONAL_MAX", "POSITION_LIMIT", "GROSS_LIMIT")
