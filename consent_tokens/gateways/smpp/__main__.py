"""`python -m consent_tokens.gateways.smpp`: the SMPP client process, started by the gateway."""

from consent_tokens.gateways.smpp.client_process import main

main()
