"""Services: integrity."""
