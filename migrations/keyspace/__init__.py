"""What the engine asks of keys and server: scanning, sampling, batch sizes, results of scripts."""
