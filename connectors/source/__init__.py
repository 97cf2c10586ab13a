"""The log as a Bytewax source, for every kind of storage."""
