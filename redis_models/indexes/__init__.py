"""Indexes of fields: what they are made of, what they hold for a record, and which of them serves a query. Pure."""
