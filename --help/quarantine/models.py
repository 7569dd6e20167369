"""Models of quarantine."""

from redis_models import Field, Model


class Customer(Model):
    """One record is one Redis hash, at the key quarantine:customer:ID."""

    id: str = Field(primary_key=True)
    name: str
    note: str | None = None

    class Meta:
        prefix = "quarantine"
        version = 1  # raise it with every change of the fields, then run makemigrations
