"""`python -m consent_tokens.gateways.smpp`: started by the gateway, and told what to do by it."""

from consent_tokens.gateways.smpp.client_process import main

main()
