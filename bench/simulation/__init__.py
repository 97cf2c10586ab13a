"""Random jobs and logs, a slow model of what they mean, and the many ways to run them."""
