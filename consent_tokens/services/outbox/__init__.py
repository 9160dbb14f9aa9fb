"""Services: outbox."""
