"""The sums of a strategy are those of all of its positions, at any moment."""

from decimal import Decimal, localcontext

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk.books import Books
from tapeflow.operators.desk.positions import PositionState, apply_fill
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, round_to_digits

FILLS = st.lists(
    st.tuples(
        st.sampled_from(["trend", "back"]),
        st.sampled_from("ABC"),
        st.sampled_from(["1", "-1", "0.3", "-0.3", "2.5", "-2.5"]).map(Decimal),
        st.integers(1, 10**9).map(lambda ticks: Decimal(ticks).scaleb(-5)),
    ),
    max_size=40,
)


def books_after(fills, digits):
    """Return the books after each fill."""
    books = Books()
    for strategy, instrument, signed, price in fills:
        notional = round_to_digits(abs(signed) * price, digits)
        fee = round_to_digits(notional * Decimal("0.0005"), digits)
        before = books.get(strategy, instrument)
        books.put(strategy, instrument, apply_fill(before, signed, notional, fee, digits))
        yield books


@settings(max_examples=200, deadline=None)
@given(FILLS, st.sampled_from([2, 8]))
def test_the_sums_of_a_strategy_are_those_over_all_its_positions(fills, digits):
    """Equal to the last zero, as a sample would write them, and as restored books have them."""
    with localcontext(DECIMAL_CONTEXT):
        for books in books_after(fills, digits):
            for strategy, sums in books.sums.items():
                own = {name: each for of, name, each in books.rows() if of == strategy}
                assert str(sums.realized) == str(
                    sum((p.realized for p in own.values()), Decimal(0))
                )
                assert str(sums.fees) == str(sum((p.fees for p in own.values()), Decimal(0)))
                assert sums.open == {name: each for name, each in own.items() if each.quantity}
            assert Books.from_rows(books.rows()) == books


def test_a_closed_position_is_visited_no_more_and_its_profit_stays():
    books = Books()
    books.put("trend", "A", PositionState(Decimal(1), Decimal(100)))
    assert list(books.sums["trend"].open) == ["A"]
    books.put("trend", "A", PositionState(realized=Decimal(7), fees=Decimal(1)))
    assert (books.sums["trend"].realized, books.sums["trend"].open) == (7, {})
