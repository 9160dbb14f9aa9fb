"""What several services need of the outbox."""
