"""Round trips to the server: batches of commands, drivers that send them, connections, retries."""
