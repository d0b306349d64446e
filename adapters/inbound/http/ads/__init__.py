"""Ads over HTTP: ad breaks for players, films for their browsers, and what operators do.

Served by processes only (``docs/adr/0019``).
"""
