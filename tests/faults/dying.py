"""A process that dies at once, for a reason it can't explain."""

if __name__ == "__main__":
    raise RuntimeError("on purpose")
