"""How many threads and processes a run may have: more of them start slowly, and gain nothing."""

WORKERS_MAX = 64  # in all processes together; 500 took five minutes to start
PROCESSES_MAX = 16
