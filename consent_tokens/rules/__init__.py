"""Rules as data: what may be asked and sent in each jurisdiction. Pure (docs/rules.md)."""
