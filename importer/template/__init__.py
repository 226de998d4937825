"""A workbook to fill in, made for the organisation's preferences."""
