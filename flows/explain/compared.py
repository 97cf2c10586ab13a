"""Values of a bar of quotes that are compared with those of the bar made again from the log."""

COMPARED = ("open", "high", "low", "close", "vwap", "count", "first_offset", "last_offset",
            "spread", "imbalance", "microprice")  # fmt: skip
