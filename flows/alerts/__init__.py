"""Alerts of a run: what happened, posted to a webhook by a thread of its own."""
