"""Types whose values are stored as plain text. The shapes of pydantic 1 are no more."""

STR_DUMP_SHAPES = (str, int, float)
