"""Services: dispatch."""
