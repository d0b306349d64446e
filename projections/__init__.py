"""The read side: one module per read model, its fold and its query."""
