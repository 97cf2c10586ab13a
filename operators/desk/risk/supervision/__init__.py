"""Supervision: limits and protections that are held at every price, with nothing done a tick.

fill, order, bound, timer ─▶ evaluate ─┬─ breach ─▶ StateChange, closing orders, lock
                                       └─ bands: prices up to which no breach is possible
"""
