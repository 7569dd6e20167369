"""The command line: ``redis-models COMMAND``, ``manage.py COMMAND`` and ``python -m redis_models COMMAND``."""
