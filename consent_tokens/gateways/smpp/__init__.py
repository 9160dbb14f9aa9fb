"""SMPP 3.4, by the library smpp34, which runs in a child process of the dispatcher.

`gateway` is the dispatcher's side and `client_process` the child; they exchange `ipc` frames over
pipes. In the child, `session` keeps each session bound, `pdu` encodes and decodes PDUs, and
`reassembly` joins the segments of long inbound messages.
"""

from consent_tokens.gateways.smpp.gateway import SmppGateway

__all__ = ["SmppGateway"]
