"""How a model class is stored: options, ``Field``, keys, TTL, and the mapper that encodes and decodes it. Pure."""
