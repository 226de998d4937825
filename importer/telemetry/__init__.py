"""Progress, logs and metrics."""
