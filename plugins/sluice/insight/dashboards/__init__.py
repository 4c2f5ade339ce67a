"""The four dashboards, as one list of panels; and what was measured in the forms that Grafana, CloudWatch and Prometheus take."""
