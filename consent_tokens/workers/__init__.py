"""Background workers: loops around the services that dispatch messages and call webhooks."""
