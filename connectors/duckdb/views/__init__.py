"""Views of the results that are computed when they are queried."""
