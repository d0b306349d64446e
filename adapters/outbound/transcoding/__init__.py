"""Transcoders, and the events that they tell of their jobs."""
