"""A live web page of a flow: read only, in a process of its own, behind a token."""
