"""What every command is given: context, parameters, targets, exit codes, progress, formatting."""
