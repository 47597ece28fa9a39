"""Patterns that see a trait or a fault in a text: the language they are written in, and many of them read in one pass."""
