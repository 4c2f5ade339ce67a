"""The machine and the browser of the ring e2e, for the archive's own journey."""

from __future__ import annotations

from tests.e2e.conftest import browser_page, chromium, driver, screen, settings, shot

__all__ = ["browser_page", "chromium", "driver", "screen", "settings", "shot"]
