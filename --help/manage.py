#!/usr/bin/env python
"""The commands of redis_models for this project: python manage.py --help."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    os.environ.setdefault("REDIS_MODELS_SETTINGS_MODULE", "quarantine.settings")
    try:
        from redis_models.cli.main import main as run
    except ImportError as exc:
        sys.exit(f"error: redis_models cannot be imported ({exc}); activate the environment that has it, or install it")
    return run(prog_name="manage.py")


if __name__ == "__main__":
    sys.exit(main())
