"""The life of a consent: requests, decisions, amendments, revocation, receipts, tokens."""
