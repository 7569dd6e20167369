"""Snapshots of models as plain data, and the canonical text of types: written, parsed, compared and edited. Pure."""
