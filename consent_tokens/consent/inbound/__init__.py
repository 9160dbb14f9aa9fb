"""Reads replies of consumers: sets quoted text aside, folds letters, and scores each sentence.

Pure and deterministic. The words are data: `lexicons/*.toml`. docs/inbound.md tells the steps.
"""
