"""The desk: merges all partitions in log order and runs the accounts, from intent to equity."""
