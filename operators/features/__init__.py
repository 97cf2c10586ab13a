"""Numbers about a market, from its bars."""
