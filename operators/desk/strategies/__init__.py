"""Strategies that are called in the merge of the desk: docs/strategies.md has the rules."""
