"""Small things. The patch of event loops is gone: nothing needs it."""


def bytes_to_string(data: bytes | str) -> str:
    """Give text."""
    return data.decode() if isinstance(data, bytes) else data
