"""SMPP 3.4, with the codec of smpp34, in a child process of the dispatcher.

`gateway` is the dispatcher's side and `client_process` the child; they exchange `ipc` frames over
pipes. In the child, `session` keeps each session bound, `connection` exchanges PDUs, `pdu` encodes
submissions, `inbound` and `reports` read what comes in, and `reassembly` joins the segments of long
inbound messages.
"""

from consent_tokens.gateways.smpp.gateway import SmppGateway

__all__ = ["SmppGateway"]
