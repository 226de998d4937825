"""Text cells become a customer, or every problem of the row at once."""
