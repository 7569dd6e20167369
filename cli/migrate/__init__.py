"""Parts of the command ``migrate``: runs, plan view, dry run, fake, remote control."""
