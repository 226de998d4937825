"""The pages: one module per kind, each with its routes."""
