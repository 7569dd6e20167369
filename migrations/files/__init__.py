"""Migration files: loaded, linted, rendered, updated, squashed, rebased."""
