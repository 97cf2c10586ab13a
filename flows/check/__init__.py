"""Whether a user's strategy keeps the laws: over a made-up log, and over tapes."""
