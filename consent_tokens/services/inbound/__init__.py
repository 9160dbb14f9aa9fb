"""Events from the gateway: delivery reports and inbound messages."""
