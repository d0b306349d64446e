"""The machine's own clock and its ids."""
