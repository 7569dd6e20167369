"""Parts of the command ``makemigrations``: prompts, answer files, evidence, version bump, summary."""
