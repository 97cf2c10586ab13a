"""What a job is, and what the steps make of it."""
