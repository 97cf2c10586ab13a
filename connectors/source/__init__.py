"""The log as a Bytewax source, whatever it is kept in."""
