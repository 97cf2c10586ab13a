"""The job: its settings, their checks, and the arguments of the steps made of them."""
