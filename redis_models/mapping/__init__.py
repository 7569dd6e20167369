"""One model class as keys and stored fields: options, ``Field``, key names, TTL, the mapper. Pure."""
