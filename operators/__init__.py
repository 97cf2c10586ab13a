"""What happens to it? One step, one file; in flow order."""
