"""A project on disk: its settings module and its apps."""
