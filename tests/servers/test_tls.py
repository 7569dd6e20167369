"""Servers behind ``rediss://``: what is sent is encrypted, and a server that cannot prove its name is refused."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_models import Field, Model, Store
from redis_models.errors import ServerUnreachableError


class Note(Model):
    id: str = Field(primary_key=True)
    text: str


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost that it signed itself; its key lies beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl is installed to make a certificate")
    path = tmp_path / "server.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    made = (
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        str(path.with_suffix(".key")),
        "-out",
        str(path),
    )
    subprocess.run(["openssl", "req", "-x509", *made, *names], check=True, capture_output=True)
    return path


@pytest.fixture
def tls_url(new_server: Callable[..., Any], certificate: Path) -> str:
    """A server that speaks TLS on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = ("--tls-cert-file", certificate, "--tls-key-file", certificate.with_suffix(".key"))
    options = ("--bind", "127.0.0.1", "--tls-port", port, *files, "--tls-auth-clients", "no")
    try:
        new_server(*map(str, options))
    except redis.ConnectionError as exc:
        if "TLS support" in str(exc) or "Bad directive" in str(exc):
            pytest.skip("this server is built without TLS")
        raise
    return f"rediss://localhost:{port}/0"


async def test_records_go_through_tls_both_ways(tls_url: str, certificate: Path) -> None:
    async with aclosing(Store.from_url(f"{tls_url}?ssl_ca_certs={certificate}")) as store:
        store.register_model(Note)
        await Note.insert(Note(id="n", text="secret"))

        assert Note.sync.get("n") == await Note.get("n") == Note(id="n", text="secret")


async def test_a_server_with_an_untrusted_certificate_is_refused(tls_url: str) -> None:
    async with aclosing(Store.from_url(tls_url)) as store:
        store.register_model(Note)

        with pytest.raises(ServerUnreachableError, match="certificate verify failed"):
            await Note.count()
        with pytest.raises(ServerUnreachableError, match="certificate verify failed"):
            Note.sync.count()


async def test_a_server_of_another_name_is_refused(tls_url: str, certificate: Path) -> None:
    elsewhere = tls_url.replace("localhost", "127.0.0.1")
    async with aclosing(Store.from_url(f"{elsewhere}?ssl_ca_certs={certificate}")) as store:
        store.register_model(Note)

        with pytest.raises(ServerUnreachableError, match="IP address mismatch"):
            await Note.count()
