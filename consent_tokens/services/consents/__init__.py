"""Services: consents."""
