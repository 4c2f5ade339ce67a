"""`python -m sluice.local`: what `./sluice` becomes."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from sluice.local.cli import main

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # while still importing; a command says more
        sys.exit(130)
