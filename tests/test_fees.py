"""Fees in quote, base and a third currency, by tier, and the cash of an account: it always adds up."""

from collections import defaultdict
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.flows.job import wiring
from tapeflow.flows.job.fees import fee_table
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.paper import Paper
from tapeflow.flows.job.settings import Job
from tapeflow.operators.desk.account import Account, account_of, account_rows
from tapeflow.operators.desk.booking import MoneyRules, book_fill, book_funding, position_fields
from tapeflow.operators.desk.books import Books
from tapeflow.operators.desk.rates import Rates, foreign_instruments
from tapeflow.operators.desk.volumes import NS_PER_DAY
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.orders import Order, Report
from tapeflow.schemas.sides import BUY, SELL

D = Decimal
PAR = ("USD", "USDT")
PERP = {"contract": "inverse", "venue_symbol": "BTC-PERP"}
TABLE = instrument_table(
    Job.model_validate(
        {
            "instruments": {
                name: {"tick": "0.01", "lot": "0.001", **row}
                for name, row in (
                    ("ETH-USDT.BINANCE", {}),
                    ("ETH-BTC.BINANCE", {}),
                    ("BNB-USDT.BINANCE", {}),
                    ("BTC-USDT.BINANCE", {}),
                    ("BTC-USDT-PERP.BINANCE-USDM", {}),
                    ("BTC-USD-PERP.COINBASE", PERP),
                    (
                        "ETH-USD-PERP.COINBASE",
                        {"contract": "quanto", "settle": "BTC", "multiplier": "0.0001"},
                    ),
                )
            }
        }
    )
)
ETH, BNB, BTC, USDM, INVERSE, QUANTO = (
    "ETH-USDT.BINANCE", "BNB-USDT.BINANCE", "BTC-USDT.BINANCE", "BTC-USDT-PERP.BINANCE-USDM",
    "BTC-USD-PERP.COINBASE", "ETH-USD-PERP.COINBASE",
)  # fmt: skip
PRICES = {BNB: D(600), BTC: D(60_000), INVERSE: D(60_000)}


def rates(prices=PRICES):
    return Rates(TABLE, PAR, lambda number: prices.get(TABLE.ids[number]))


def rules(**paper):
    return MoneyRules(fee_table(Paper.model_validate(paper)), 8)


def new_account():
    return Account(Books(foreign_instruments(TABLE, PAR)))


def order_of(instrument, side, strategy="trend"):
    return Order(
        1, "o", "s", "main", strategy, instrument, side, "market", D(1), D(1), 0, 0, "binance-0", 0
    )


def fill(account, instrument, side, size, price, *, strategy="trend", day=0, prices=PRICES,
         liquidity="TAKER", money=None, fee=None, fee_currency=""):  # fmt: skip
    """Book a fill; return what it did."""
    report = Report(
        "o", "FILL", (day * NS_PER_DAY, "binance-0", 1), 0, price=D(str(price)), size=D(str(size)),
        liquidity=liquidity, fee=fee, fee_currency=fee_currency,
    )  # fmt: skip
    with localcontext(DECIMAL_CONTEXT):
        return book_fill(
            account, money or rules(), order_of(instrument, side, strategy), report, rates(prices)
        )


def held(cash):
    return {name: amount for name, amount in cash.items() if amount}


# --- the currency of a fee ------------------------------------------------------------------------


def test_a_buy_of_spot_pays_in_what_it_receives_as_binance_says():
    """Binance, "What is Binance Spot Trading Fee and How to Calculate": 10 ETH at 3,452.55 USDT.

    Bought, the fee of 0.1% is 0.01 ETH; sold, it is 34.5255 USDT.
    """
    base = rules(fees={"binance": {"currency": "base"}})
    account = new_account()
    bought = fill(account, ETH, BUY, 10, "3452.55", money=base)
    assert (bought.fee.amount, bought.fee.currency) == (D("0.01"), "ETH")
    assert held(account.cash) == {"ETH": D("9.99"), "USDT": D("-34525.5")}
    #   the fee is worth what it cost, and the entry price stays the price of the fill
    assert bought.fee.value == bought.after.fees == D("34.5255")
    assert bought.after.quantity == bought.net == D("9.99")
    assert bought.after.cost == D("3452.55") * D("9.99")
    sold = fill(new_account(), ETH, SELL, 10, "3452.55", money=base)
    assert (sold.fee.amount, sold.fee.currency) == (D("34.5255"), "USDT")
    assert sold.after.quantity == -10


def test_a_fee_in_bnb_is_what_it_would_be_in_quote_at_the_price_of_bnb():
    """Binance, "Using BNB to Pay for Fees": converted at the market price, at 75% of the rate."""
    bnb = rules(fees={"binance": {"currency": "BNB", "taker_bps": "7.5"}})
    account = new_account()
    booking = fill(account, ETH, BUY, 10, "3452.55", money=bnb)
    #   34,525.5 * 0.075% = 25.894125 USDT, at 600 USDT: 0.043156875 BNB, of which 8 digits are kept
    assert (booking.fee.amount, booking.fee.currency) == (D("0.04315688"), "BNB")
    assert booking.after.fees == D("25.894125")
    assert held(account.cash) == {"ETH": 10, "USDT": D("-34525.5"), "BNB": D("-0.04315688")}
    assert account.fees == {"BNB": D("0.04315688")}


def test_without_a_price_of_bnb_the_fee_is_paid_in_quote():
    """Binance, "Using BNB to Pay for Fees": without BNB the fee is deducted in what is traded."""
    bnb = rules(fees={"binance": {"currency": "BNB"}})
    booking = fill(new_account(), ETH, BUY, 10, "3452.55", money=bnb, prices={})
    assert (booking.fee.amount, booking.fee.currency) == (D("34.5255"), "USDT")


def test_bnb_bought_with_a_fee_in_bnb_is_less():
    bnb = rules(fees={"binance": {"currency": "BNB"}})
    account = new_account()
    fill(account, BNB, BUY, 10, 600, money=bnb)
    assert held(account.cash) == {"BNB": D("9.99"), "USDT": -6000}
    assert account.net[BNB] == D("9.99")


@pytest.mark.parametrize("currency", ["quote", "base", "BTC"])
def test_an_inverse_contract_pays_its_fee_in_its_coin(currency):
    #   100 contracts at 50,000 are worth 0.002 BTC
    paid = rules(fees={"coinbase": {"currency": currency, "taker_bps": 5}})
    account = new_account()
    booking = fill(account, INVERSE, BUY, 100, 50_000, money=paid)
    assert (booking.fee.amount, booking.fee.currency) == (D("0.000001"), "BTC")
    assert held(account.cash) == {"BTC": D("-0.000001")}


def test_a_fee_that_a_venue_reports_in_an_unknown_currency_is_named_and_never_zero():
    account = new_account()
    booking = fill(account, ETH, BUY, 1, 3000, fee=D("0.5"), fee_currency="OKB")
    assert booking.fee.value is None
    assert (booking.after.fees, booking.unvalued) == (0, {"OKB": D("0.5")})
    fill(account, ETH, BUY, 1, 3000, fee=D("0.25"), fee_currency="OKB")
    worth = account.worth("trend", rates(), lambda number, long: (D(3000), 7), 8)
    assert worth.unvalued == {"OKB": D("-0.75")}
    fields = position_fields(rules(), booking, (D(3001), 9))
    assert (fields["unvalued"], fields["unrealized"], fields["mark_ns"]) == ("0.5 OKB", 1, 9)


def test_a_reported_fee_counts_by_what_it_is_worth():
    account = new_account()
    booking = fill(account, ETH, SELL, 1, 3000, fee=D("0.01"), fee_currency="BNB")
    assert (booking.fee.value, booking.after.fees) == (6, 6)
    booking = fill(account, ETH, SELL, 1, 3000, fee=D("-0.3"), fee_currency="")
    assert (booking.fee.currency, booking.after.fees) == ("USDT", D("5.7"))
    #   a venue takes a fee in base of a sell: more leaves the account than was sold
    booking = fill(account, ETH, SELL, 1, 3000, fee=D("0.001"), fee_currency="ETH")
    assert booking.net == D("-3.001")


@pytest.mark.parametrize(
    ("currency", "rows", "refused"),
    [
        ("BNB", ["ETH-USDT.BINANCE"], True),
        ("BNB", ["BNB-BTC.BINANCE"], True),
        ("BNB", ["BNB-USDT.BINANCE"], False),
        ("USDC", ["ETH-USDT.BINANCE"], False),
        ("base", ["ETH-USDT.BINANCE"], False),
    ],
)
def test_a_currency_of_fees_whose_price_no_instrument_says_is_refused(currency, rows, refused):
    instruments = {name: {"tick": "0.01", "lot": "0.001"} for name in rows}
    account = {
        "name": "main",
        "position_max": 1,
        "gross_max": 1,
        "orders_max": 1,
        "orders_window": "1s",
    }
    job = Job.model_validate(
        {"instruments": instruments, "accounts": [account], "paper": {"fees": {"binance": {"currency": currency}}}}
    )  # fmt: skip
    if refused:
        with pytest.raises(UsageError, match=r"paper\.fees\.binance: fees are in BNB, of which no"):
            wiring.validate(job)
    else:
        wiring.validate(job)


# --- rates ----------------------------------------------------------------------------------------


def test_maker_and_taker_rates_come_from_the_venue_else_the_section_else_fee_bps():
    def paid(venue_keys, liquidity, **paper):
        money = rules(fees={"binance": venue_keys}, **paper)
        return fill(new_account(), ETH, BUY, 1, 10_000, liquidity=liquidity, money=money).fee.amount

    assert paid({}, "TAKER") == paid({}, "MAKER") == 10
    assert paid({}, "MAKER", maker_bps=-1, fee_bps=3) == -1
    assert paid({}, "TAKER", maker_bps=-1, fee_bps=3) == 3
    assert paid({"maker_bps": 2}, "MAKER", maker_bps=-1) == 2
    assert paid({"maker_bps": 2}, "TAKER", taker_bps=4) == 4
    other = fill(
        new_account(), USDM, BUY, 1, 10_000, money=rules(fees={"binance": {"taker_bps": 1}})
    )
    assert other.fee.amount == 10


TIERS = {
    "taker_bps": 10,
    "maker_bps": 8,
    "tiers": [
        {"volume": 10_000, "taker_bps": 9},
        {"volume": 50_000, "taker_bps": 5, "maker_bps": 0},
    ],
}


@pytest.mark.parametrize(
    ("day", "taker", "maker"),
    [(0, 10, 8), (1, 9, 8), (2, 5, 0), (31, 5, 0), (32, 10, 8), (30, 5, 0)],
)
def test_a_tier_is_that_of_the_thirty_days_before_the_day_of_a_fill(day, taker, maker):
    money = rules(fees={"binance": TIERS})
    account = new_account()
    fill(account, ETH, BUY, 1, 10_000, money=money)  # exactly the first volume, on day 0
    fill(account, ETH, SELL, 8, 10_000, money=money, day=1)
    again = account_of(account_rows(account), account.books.foreign)
    for liquidity, bps in (("TAKER", taker), ("MAKER", maker)):
        booking = fill(again, ETH, BUY, 1, 10_000, money=money, day=day, liquidity=liquidity)
        assert booking.fee.amount == bps


def test_the_volume_of_one_venue_is_none_of_another():
    money = rules(fees={"binance": TIERS, "binance-usdm": TIERS})
    account = new_account()
    fill(account, ETH, BUY, 100, 10_000, money=money)
    assert fill(account, USDM, BUY, 1, 10_000, money=money, day=1).fee.amount == 10


def test_volumes_that_are_too_old_are_forgotten():
    account = new_account()
    for day in range(100):
        fill(account, ETH, BUY, 1, 100, day=day)
    assert min(account.volumes.by_venue["BINANCE"]) >= 99 - 31


def test_the_volume_of_contracts_is_their_notional_in_currencies_at_par():
    account = new_account()
    fill(account, INVERSE, BUY, 500, 50_000)
    fill(account, QUANTO, BUY, 1000, 500)  # worth 50 BTC
    assert account.volumes.before("COINBASE", NS_PER_DAY) == 500 + 50 * 60_000


# --- it adds up -----------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from([ETH, BNB, "ETH-BTC.BINANCE", USDM, INVERSE, QUANTO]),
        st.sampled_from([BUY, SELL]),
        st.integers(1, 5000).map(lambda lots: D(lots).scaleb(-3)),
        st.integers(100, 10**7).map(lambda ticks: D(ticks).scaleb(-2)),
        st.sampled_from(["trend", "back"]),
        st.sampled_from([None, "BNB", "OKB", "ETH", ""]),  # currency of a reported fee
        st.integers(-20, 20).map(lambda units: D(units).scaleb(-4)),  # that fee, or funding
    ),
    max_size=25,
)
CURRENCIES = st.sampled_from(["quote", "base", "BNB", "BTC", "OKB"])


def own_cash(account):
    """Return the cash that the positions explain: all but fees in third currencies, by currency."""
    found = defaultdict(D)
    for _, name, position in account.books.rows():
        row = TABLE.get(name)
        found[row.settlement] += position.realized - position.fees + position.funding
        if row.is_spot:
            found[row.quote] -= position.cost
            found[row.base] += position.quantity * row.multiplier
    return found


@settings(max_examples=150, deadline=None)
@given(STEPS, CURRENCIES, st.sampled_from([4, 8, 12]), st.booleans())
def test_cash_adds_up_by_currency_at_every_fill_and_so_do_the_strategies(
    steps, currency, digits, restore_each
):
    paper = Paper.model_validate({"fees": {venue: {"currency": currency, "maker_bps": -2}
                                           for venue in ("binance", "coinbase", "binance-usdm")}})  # fmt: skip
    money, account, third = MoneyRules(fee_table(paper), digits), new_account(), defaultdict(D)
    for name, side, size, price, strategy, reported, amount in steps:
        row = TABLE.get(name)
        fee = None if reported is None else amount
        booking = fill(account, name, side, size, price, strategy=strategy, money=money,
                      liquidity="MAKER" if size > 1 else "TAKER", fee=fee, fee_currency=reported or "")  # fmt: skip
        if booking.fee.currency != row.settlement and not booking.fee.is_in_base(row):
            third[booking.fee.currency] -= booking.fee.amount
            third[row.settlement] += booking.fee.value or D(0)
        if not row.is_spot:
            book_funding(account, strategy, row, amount)
        if restore_each:
            account = account_of(account_rows(account), account.books.foreign)
        with localcontext(DECIMAL_CONTEXT):
            expected = own_cash(account)
            for each, value in third.items():
                expected[each] += value
            assert held(account.cash) == held(expected)
            for instrument, net in account.net.items():
                parts = [p.quantity for _, other, p in account.books.rows() if other == instrument]
                assert net == sum(parts)
