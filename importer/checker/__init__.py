"""Everything but sending: findings by row and column, repeated customers, the online check."""
