"""Retention: how long each kind of data is kept, and its deletion afterwards."""
