"""Snapshots of a running flow, read from outside its process: of its facts and its metrics page."""
