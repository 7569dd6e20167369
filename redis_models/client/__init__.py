"""Round trips: what a batch of commands is, who sends it, connections, retries."""
