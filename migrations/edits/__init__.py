"""One record changed in memory: the edit, its steps, undo fields, typed views, values. Pure."""
