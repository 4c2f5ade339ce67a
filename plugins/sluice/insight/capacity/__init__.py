"""The capacity report: how much there is, how it grows, when it will be full, and how good the last forecasts were."""
