"""One module for each command that works on a database beside ``migrate``: verify, purge, adopt, copy."""
