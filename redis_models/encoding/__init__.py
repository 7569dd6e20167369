"""One value to bytes and back: codecs, JSON, and when two values are the same. Pure."""
