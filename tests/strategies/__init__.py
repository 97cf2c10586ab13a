"""Strategies as a user writes them: subjects of tests."""
