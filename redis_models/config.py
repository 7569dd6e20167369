"""``RedisConfig``: the parts of a server's URL, as in pydantic-aioredis."""

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

__all__ = ["RedisConfig"]


class RedisConfig(BaseModel):
    """The parts of a server's URL.

    Attributes:
        host: Name or address; one of IPv6 with or without brackets.
        port, db: As in a URL.
        username, password: Percent-encoded where they go into the URL; the password is never shown.
        ssl: Whether to speak TLS.
        encoding: Encoding of the text that ``Store.redis_store`` returns; records are read and written as UTF-8.
    """

    # Otherwise an error would quote a password that is not text.
    model_config = ConfigDict(from_attributes=True, hide_input_in_errors=True)

    host: str = "localhost"
    port: int = 6379
    db: int = 0
    username: str | None = None
    password: str | None = None
    ssl: bool = False
    encoding: str | None = "utf-8"

    @property
    def redis_url(self) -> str:
        """The URL that ``Store.from_url`` takes, with the password."""
        scheme = "rediss" if self.ssl else "redis"
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{scheme}://{self._credentials()}{host}:{self.port}/{self.db}"

    def _credentials(self) -> str:
        user = quote(self.username or "", safe="")
        if self.password:
            return f"{user}:{quote(self.password, safe='')}@"
        return f"{user}@" if user else ""

    def __repr_args__(self) -> Any:
        shown = {**self.__dict__, "password": "***" if self.password else None}
        return list(shown.items())
