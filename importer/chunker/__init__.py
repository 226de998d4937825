"""Customers become batches: lanes keep a customer's rows in order, the pacer says when a request may leave."""
