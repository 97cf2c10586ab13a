"""Documents, and the programs that write parts of them."""
