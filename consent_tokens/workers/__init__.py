"""Doors over time: what goes on by itself. All that is done is in `flow`; here it only goes on."""
