"""``python -m builder`` is the ``bildung`` command."""

from builder.cli import main

if __name__ == "__main__":
    main()
