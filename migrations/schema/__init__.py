"""A stored shape as data: snapshots, and the canonical text of a type, made, parsed, compared, edited. Pure."""
