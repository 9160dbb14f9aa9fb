"""Services: preferences."""
