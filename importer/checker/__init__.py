"""`check`: everything but sending. Problems by row and column, repeated customers, the online check."""
