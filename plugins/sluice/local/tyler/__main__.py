"""The application of `tyler` as a process; the same commands and answers as `certify`'s."""

from __future__ import annotations

import os

from sluice.local.certify.__main__ import main
from sluice.local.tyler.workload import Application

if __name__ == "__main__":
    main(Application)
    os._exit(0)  # a probe may still wait for an answer; what was acknowledged is written down
