"""Services: inbound."""
