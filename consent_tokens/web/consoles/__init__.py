"""What the operator's and the merchants' console share: sign-in, permissions, pages, tables."""
