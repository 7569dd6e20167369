"""The migrations of one app in order, the schemas at every position, the way of a record through them. Pure."""
