"""Trades are judged by their numbers and stamps; what is missing becomes a fact."""
