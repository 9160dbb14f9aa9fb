"""Readiness checks, and the copy of revocations in the revocation journal."""
