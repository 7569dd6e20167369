"""What commands share: context, parameters, targets, exit codes, progress, formatting."""
