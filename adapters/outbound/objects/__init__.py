"""Objects in S3: events too large for an item, and the list of the forgotten."""
