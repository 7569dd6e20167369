"""What the engine keeps in Redis beside the records: ledger, snapshot, journal, history, lease, control, quarantine."""
