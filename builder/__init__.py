"""bildung: a constitution becomes a corpus of fiction for character-shaping midtraining."""

__version__ = "0.1.0"
