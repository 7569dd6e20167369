"""From two snapshots and the answers given to operations or questions. Pure."""
