"""The paper venue: orders on paper meet the recorded market by the rules of docs/paper.md.

    place, cancel, amend ──▶ Venue ──▶ reports      rows that matter, timers that are due ──▶ Venue

It knows nothing of the merge, of money, or of what the desk thinks of an order.
"""
