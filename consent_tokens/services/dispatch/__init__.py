"""Dispatching: lease due messages, submit them to the gateway, record the outcomes."""
