"""Airflow's pages as a person uses them: a click, a form, a link. Told apart by roles and names, never by style."""

from __future__ import annotations

import json
from dataclasses import dataclass

from playwright.sync_api import Locator, Page

from tests.e2e.driver import DAG


@dataclass(frozen=True)
class Screen:
    """One tab."""

    page: Page

    def open_form(self) -> Locator:
        """Open the trigger form; give its dialog."""
        self.page.goto(f"/dags/{DAG}")
        self.page.get_by_role("button", name="Trigger").first.click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("combobox", name="Go to phase").wait_for()
        return dialog

    def open_task(self, run: str, task_id: str, tab: str = "") -> Page:
        """Open the page of one task of a run."""
        self.page.goto(f"/dags/{DAG}/runs/{run}/tasks/{task_id}{tab}")
        self.page.get_by_role("heading", name=task_id).wait_for()
        return self.page

    def open_question(self, run: str, task_id: str) -> Page:
        """Open what a task asks of a person."""
        self.open_task(run, task_id, "/required_actions")
        self.page.get_by_role("button", name="Approve").wait_for()
        return self.page

    def follow_question(self, subject: str) -> Page:
        """Find a question on the console's page Migrations, and follow it to where Airflow takes the answer."""
        self.page.goto("/plugin/sluice")
        console = self.page.frame_locator("iframe")
        console.get_by_role("link", name="Migrations").click()
        console.get_by_role("link", name=subject).first.click()
        self.page.get_by_role("button", name="Approve").wait_for()
        return self.page

    def follow_evidence(self) -> Page:
        """Click the link Evidence in the details of the task that is open; give the console's page."""
        self.page.get_by_role("link", name="Evidence").click()
        self.page.wait_for_url("**/sluice/evidence/**")
        return self.page

    def open_graph(self, run: str, *groups: str) -> Page:
        """Open the graph of a run over the whole width, with these groups unfolded."""
        stored = {"default_dag_view": "graph", f"{DAG}/open-groups": list(groups)}
        for name, value in stored.items():
            self.page.evaluate("([name, value]) => localStorage.setItem(name, value)", [name, json.dumps(value)])
        self.page.goto(f"/dags/{DAG}/runs/{run}")
        self.page.locator(".react-flow__node").first.wait_for()
        self.page.get_by_role("button", name="Collapse Details Panel").click()
        self.page.get_by_role("button", name="Fit View").click()
        return self.page
