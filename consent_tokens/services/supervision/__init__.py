"""What the operator's people look at and decide in the console: complaints, messages, support."""
