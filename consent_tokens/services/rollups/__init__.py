"""Rollups: counts of each day for merchants, senders and templates, as the consoles show them."""
