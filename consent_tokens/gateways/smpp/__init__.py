"""SMPP 3.4 over smpp34: what is said (words), in which pieces (pieces), and the lines (gateway)."""

from consent_tokens.gateways.smpp.gateway import SmppGateway

__all__ = ["SmppGateway"]
