"""Trades that their partition has sent before."""
