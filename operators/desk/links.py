"""temporary"""


def follow(orders, working, outcome):
    if outcome.ended:
        orders.by_id.pop(working.order.id)
    return []
