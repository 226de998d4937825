"""The life of a run: begin, resume, retry, report, verify, compare and purge."""
