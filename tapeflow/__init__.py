"""Raw ticks in, fills out, and the whole history is a query.

The rooms of this package are the folders of the same name in the checkout: here stand links to
them, so that they are imported as `tapeflow.schemas`, `tapeflow.operators`, ... wherever it is
installed.
"""
