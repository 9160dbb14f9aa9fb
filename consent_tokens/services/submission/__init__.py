"""Submission of messages by merchants."""
