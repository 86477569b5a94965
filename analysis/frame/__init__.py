"""The frame: the merged table, and everything that enters it."""
