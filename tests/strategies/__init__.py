"""Strategies of users: sound ones, and ones that break a law."""
