"""The strategies in the box: to run by their names, to read, and to begin one of yours from."""
