"""Records rewritten in Redis: compiled Lua, compare-and-set from Python, renamed keys."""
