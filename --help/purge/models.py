"""Models of purge."""

from redis_models import Field, Model


class Item(Model):
    """One record is one Redis hash, at the key purge:item:ID."""

    id: str = Field(primary_key=True)
    name: str
    note: str | None = None

    class Meta:
        prefix = "purge"
        version = 1  # raise it with every change of the fields, then run makemigrations
