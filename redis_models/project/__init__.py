"""A project on the disk: its settings module and its apps."""
