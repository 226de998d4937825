"""One answer becomes one verdict per row."""
