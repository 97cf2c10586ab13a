"""Bars and features become signals and intents."""
