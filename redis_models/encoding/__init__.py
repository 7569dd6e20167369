"""Encode one value as bytes and decode it: codecs, JSON, and when two values are the same. Pure."""
