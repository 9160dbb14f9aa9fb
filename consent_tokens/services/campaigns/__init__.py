"""Campaigns: files of messages that are read, checked, sent line by line, and stopped."""
