"""Values and rules of consent: phone numbers, purposes, scopes, requests, grants, preferences.

Pure: no clock, no database, no HTTP. Invalid values cannot be created.
"""
