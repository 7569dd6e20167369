"""The migrations of one app in order, the schemas at every position, the upgrade path of a record. Pure."""
