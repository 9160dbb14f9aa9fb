"""The people of the two consoles: who they are, how they sign in, and what needs two of them."""
