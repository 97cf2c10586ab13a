"""Why a fact is there: the chain of its causes, down to the raw frames."""
