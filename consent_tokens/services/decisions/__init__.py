"""Past decisions on messages: explained, and decided again."""
