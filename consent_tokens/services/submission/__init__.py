"""Services: submission."""
