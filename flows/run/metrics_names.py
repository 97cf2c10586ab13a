"""Names and meanings of the metrics of facts, by kind of row of a scrape's query."""

COUNTERS = {  # by kind of row: meaning
    "bars": "Bars closed",
    "signals": "Signals of strategies",
    "orders": "Orders approved",
    "fills": "Fills",
    "late_trades": "Trades whose bar had closed",
    "dead_letters": "Frames that could not be read",
    "gaps": "Gaps in the trades of an instrument, or in a partition",
    "missing_trades": "Trades that the venue numbered and the log lacks",
}
GAUGES = {  # by kind of row: name, meaning, labels
    "position": (
        "tapeflow_position_size",
        "Signed position in base currency or contracts",
        ["account", "strategy", "instrument"],
    ),
    "equity": (
        "tapeflow_equity",
        "Profit at marks after fees, in the currencies at par",
        ["account", "strategy"],
    ),
    "gross": ("tapeflow_gross_exposure", "Sum of |position| * mark", ["account", "strategy"]),
    "committed": (
        "tapeflow_last_commit_timestamp_seconds",
        "Wall time at which facts were last committed, since 1970",
        [],
    ),
    "run_number": ("tapeflow_run_number", "Number of the start in table `runs`", []),
}
