"""Checks a user's strategy against the laws, over a made-up log and over tapes."""
