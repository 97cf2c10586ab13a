"""What happens to an account's intents, in log order: risk, venue, positions, equity."""
