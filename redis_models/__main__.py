"""``python -m redis_models COMMAND``: the command line, where its script is not on PATH."""

import sys

from redis_models.cli.main import main

if __name__ == "__main__":
    sys.exit(main(prog_name="python -m redis_models"))
