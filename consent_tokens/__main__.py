"""`python -m consent_tokens` is `consent-tokens`."""

from consent_tokens.cli import main

main()
