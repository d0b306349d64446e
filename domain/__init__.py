"""What holds in the world: events, aggregates and rules. No I/O, no clock, no ids made here."""
