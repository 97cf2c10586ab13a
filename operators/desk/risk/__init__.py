"""Risk: every order passes here, and the log alone decides; see docs/risk.md."""
