"""Which tests play what each how-to says. A page that none plays may lie: `tests/unit/test_howtos.py` refuses it.

Beside these, what a page says is checked whatever it is about: commands, YAML, paths and names (`tests/unit/test_docs.py`), links
(`test_site.py`), Python, JSON and metrics (`test_howtos.py`), triggers and their parameters (`tests/dags/test_pages.py`), SQL
(`tests/integration/test_pages_sql.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

PLAYED: Mapping[str, tuple[str, ...]] = {
    "abort-without-airflow": ("chaos/test_upgrade.py", "integration/test_same_cluster.py"),
    "add-a-kind": ("unit/test_engine_memory_kind.py",),
    "add-a-store": ("integration/test_watching_a_store.py", "integration/test_collecting_tasks.py"),
    "approve-a-cutover": ("dags/test_approval_text.py", "dags/test_approval_waits.py", "e2e/test_migration.py"),
    "archive-items": (
        "integration/test_archive_items.py",
        "integration/test_archive_items_tasks.py",
        "integration/test_expiry.py",
    ),
    "archive-old-months": (
        "integration/test_archive_tasks.py",
        "integration/test_archive_ways.py",
        "integration/test_archive_late.py",
    ),
    "back-up-a-database-at-neon": ("services/test_backup_neon.py",),
    "back-up-a-store": ("integration/test_backup_tasks.py", "integration/test_backup_physical.py"),
    "back-up-a-store-in-rds": ("services/test_rds.py", "services/test_rds_tasks.py", "services/test_rds_kept.py"),
    "back-up-any-postgresql": ("integration/test_backup_logical.py",),
    "back-up-dynamodb": ("integration/test_backup_documents_tasks.py", "services/test_backup_service.py"),
    "backfill-a-window": ("integration/test_into_postgres_windows.py", "e2e/test_migration.py"),
    "bring-a-month-back": ("integration/test_archive_tasks.py", "integration/test_archive_copies.py"),
    "choose-a-shape": ("unit/test_estate_made.py", "integration/test_shapes.py"),
    "collect-numbers": ("integration/test_watching_a_store.py", "integration/test_collecting_tasks.py"),
    "cut-back": ("integration/test_way_back.py", "e2e/test_migration.py"),
    "drill-pgbackrest": ("services/test_backup_pgbackrest.py", "unit/test_pgbackrest.py"),
    "fail-over": (
        "integration/test_failover_tasks.py",
        "integration/test_failover_drill.py",
        "integration/test_access_replicas.py",
    ),
    "keep-airflow-small": ("integration/test_airflow_kept.py",),
    "keep-partitions-ahead": ("integration/test_partitions_ahead.py", "integration/test_partitions_headroom.py"),
    "know-what-is-wrong": (
        "integration/test_health_fires.py",
        "integration/test_notify.py",
        "integration/test_health_read.py",
    ),
    "know-what-it-costs": ("integration/test_capacity_costs.py", "integration/test_cost.py"),
    "know-when-it-is-full": ("integration/test_capacity_report.py", "integration/test_capacity_tasks.py"),
    "lock-the-vault": ("integration/test_vault_configured.py",),
    "migrate-a-dynamodb-table": ("integration/test_single_table.py", "integration/test_demo_dynamodb.py"),
    "migrate-a-table": ("e2e/test_migration.py", "integration/test_same_cluster.py"),
    "move-items-into-postgres": ("integration/test_into_postgres.py", "integration/test_into_postgres_switch.py"),
    "open-an-archived-month": ("integration/test_archive_page.py",),
    "point-it-at-your-table": ("unit/test_estate_made.py", "integration/test_init_migration.py"),
    "read-the-evidence": ("integration/test_gates_evidence.py", "integration/test_console.py"),
    "read-the-shadow-read": ("integration/test_shadow.py",),
    "repeat-a-failure": ("chaos/test_schedules.py", "unit/test_local_rings.py"),
    "retire-a-dynamodb-table": ("integration/test_old_table_retired.py",),
    "run-it-here": ("machine/test_local_machine.py", "unit/test_local_cli.py"),
    "run-on-many-workers": ("workers/test_two_workers.py", "unit/test_kubernetes.py", "unit/test_compose.py"),
    "run-on-rds-and-mwaa": ("dags/test_mwaa.py",),
    "run-with-docker": ("unit/test_compose.py", "integration/test_docker_database.py"),
    "scale-a-store": ("services/test_scaling.py", "integration/test_autoscaling.py", "unit/test_scaling_simulated.py"),
    "see-it-in-grafana": ("integration/test_dashboards.py", "services/test_publishing.py"),
    "see-where-it-stands": ("e2e/test_console.py", "integration/test_overview.py"),
    "upgrade": ("integration/test_ledger_releases.py", "chaos/test_upgrade.py"),
    "upgrade-with-a-migration-in-flight": ("chaos/test_upgrade.py", "integration/test_proof.py"),
    "use-the-new-tables": ("integration/test_access_alone.py", "integration/test_into_postgres_route.py"),
    "use-the-runbooks": ("dags/test_runbooks.py", "integration/test_backup_tasks.py"),
    "when-something-dies": ("chaos/test_kill_matrix.py", "chaos/test_other_faults.py", "e2e/test_kills.py"),
    "write-a-gate": ("unit/test_gates_suites.py", "integration/test_gates_window.py"),
    "write-a-rule": ("unit/test_health_rules.py", "integration/test_health_asked.py"),
}
"""By the how-to's name, files below `tests`."""
