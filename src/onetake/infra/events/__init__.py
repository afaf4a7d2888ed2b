"""Domain events through an outbox."""
