"""SMPP 3.4 over smpp34: lines, each kept bound (bind), and what is said on them (words, pieces).

smpp34 has a process of its own (speaker), to which the gateway speaks over pipes (wire).
"""

from consent_tokens.gateways.smpp.gateway import SmppGateway

__all__ = ["SmppGateway"]
