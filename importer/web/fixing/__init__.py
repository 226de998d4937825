"""Fixing in the browser: the rows with problems, the edits of a person with their history, and the judge of both."""
