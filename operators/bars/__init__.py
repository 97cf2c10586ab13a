"""Trades become bars of event time."""
