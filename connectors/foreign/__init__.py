"""Files of others, as dumps and captures come, read in parts for `tapeflow import`."""
