"""`tapeflow monitor`: a running flow on a terminal, or as lines of text."""
