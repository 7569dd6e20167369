"""Constraints of models at each version, beyond the types of their fields, and checks of values. Pure."""
