"""What is agreed: numbers, purposes, scopes, requests and grants, as values that cannot be wrong.

No clock, no database, no HTTP. Values come in, values go out.
"""
