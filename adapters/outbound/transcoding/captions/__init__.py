"""Caption files as brokers send them, read into cues and written as WebVTT."""
