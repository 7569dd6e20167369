"""Small things. The patch of event loops that was here is no more: nothing needs it."""


def bytes_to_string(data: bytes | str) -> str:
    """Give text."""
    return data.decode() if isinstance(data, bytes) else data
