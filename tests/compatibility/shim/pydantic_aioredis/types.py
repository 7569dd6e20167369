"""Types whose values are stored as plain text. Those of pydantic 1 are gone."""

STR_DUMP_SHAPES = (str, int, float)
