"""`python -m sluice.local`: what `./sluice` becomes."""

from __future__ import annotations

import sys

from sluice.local.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
