"""Settings of quarantine."""

# A server of this project's own, started when it is needed; its data stay in the folder data/.
# A server that runs anyway: "redis://localhost:6379/0".
REDIS_URL = "embedded:./data"

# The packages that declare models.
APPS = ["quarantine"]
