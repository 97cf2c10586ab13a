"""The variants of a grid over one log: desks of their own, or light portfolios, and statistics."""
