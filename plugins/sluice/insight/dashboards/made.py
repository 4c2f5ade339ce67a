"""`python -m sluice.insight.dashboards.made` writes what is made from the panels: each for Grafana and for CloudWatch.

Those of CloudWatch are of the sample estate, to be looked at: `publish_metrics` puts an estate's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sluice.insight.dashboards.cloudwatch import dashboard_body
from sluice.insight.dashboards.grafana import dashboard_json
from sluice.insight.dashboards.panels import DASHBOARDS

ROOT = Path(__file__).resolve().parents[4]
FOLDER = Path("include/dashboards")
SAMPLE, REGION = "sample", "us-east-1"


def made_files() -> dict[Path, str]:
    """Give every file that is made from the panels, by its path under the project's root. Writes nothing."""
    grafana = {FOLDER / f"grafana/{one.name}.json": _text(dashboard_json(one)) for one in DASHBOARDS}
    return grafana | {
        FOLDER / f"cloudwatch/{one.name}.json": _text(dashboard_body(one, SAMPLE, REGION)) for one in DASHBOARDS
    }


def write_made_files(root: Path = ROOT) -> None:
    """Write them under `root`."""
    for path, text in made_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _text(made: dict[str, Any]) -> str:
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_made_files()
