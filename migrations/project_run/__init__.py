"""A run over the apps of a project: what is to do, consents, refusals before the start, and ``migrate`` for Python."""
