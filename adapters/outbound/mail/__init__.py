"""Mail: what it says, and the ways it goes."""
