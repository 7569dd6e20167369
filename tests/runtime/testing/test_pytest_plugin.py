"""The plugin for pytest: whatever tests do, the server of the settings stays as it is."""

import textwrap

import pytest

from .conftest import ROOT, Box

_TESTS = {
    "a module that calls setup": """
        from box.models import Ticket

        def test_first():
            import box.app
            Ticket.sync.insert(Ticket(id="t"))
            assert Ticket.sync.count() >= 1

        def test_second():
            assert Ticket.sync.count() == 0
        """,
    "an application that is imported first": """
        import box.app
        from box.models import Ticket

        def test_first():
            assert Ticket.sync.count() == 0
            Ticket.sync.insert(Ticket(id="t"))

        def test_second():
            assert Ticket.sync.count() == 0
        """,
    "asyncio": """
        from box.models import Ticket, Visit

        async def test_first():
            await Ticket.insert(Ticket(id="t"))
            assert await Ticket.count() == 1
            assert Ticket.sync.count() == 1

        async def test_second():
            assert await Ticket.count() == 0
            assert await Visit.count() == 0
            await Visit.insert(Visit(id="v"))

        def test_third():
            assert Visit.sync.count() == 0
        """,
    "stores of the settings' server": """
        import asyncio
        import pytest
        import redis.asyncio
        from box import settings
        from box.models import Ticket
        from redis_models import RedisConfig, Store

        PORT = PLACE
        EARLY = Store.from_url(settings.REDIS_URL)

        @pytest.mark.parametrize("make", [
            lambda: EARLY,
            lambda: Store.from_url(settings.REDIS_URL),
            lambda: Store.from_url(f"redis://LOCALHOST:{PORT}/3"),
            lambda: Store.from_url(f"valkey://bob:secret@127.0.0.1:{PORT}/0?socket_timeout=3"),
            lambda: Store("x", RedisConfig(host="127.0.0.1", port=PORT, db=2)),
            lambda: Store("x", redis_store=redis.asyncio.Redis(host="localhost", port=PORT)),
        ])
        def test_binding(make):
            make().register_model(Ticket)
            Ticket.sync.insert(Ticket(id="t"))
            asyncio.run(Ticket.insert(Ticket(id="u")))
            assert Ticket.sync.count() == 2

        async def test_client():
            await Store.from_url(settings.REDIS_URL).redis_store.set("some", "thing")
        """,
    "processes that a test starts": """
        import subprocess, sys
        from box.models import Ticket

        def run(*arguments):
            return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)

        def test_a_process_sees_what_the_test_wrote():
            Ticket.sync.insert(Ticket(id="t", seats=4))
            ran = run("-c", "import redis_models; redis_models.setup()\\n"
                "from box.models import Ticket\\nprint(Ticket.sync.get('t').seats)")
            assert ran.stdout == "4\\n", ran.stderr

        def test_commands():
            assert run("-m", "redis_models", "makemigrations").returncode == 0
            ran = run("-m", "redis_models", "migrate")
            assert ran.returncode == 0, ran.stderr
            assert run("-m", "redis_models", "migrate", "--check").returncode == 0
        """,
    "models that a test bound elsewhere": """
        import pytest
        from box.models import Ticket
        from redis_models import Store

        def test_elsewhere():
            Store.from_url("redis://127.0.0.1:1").register_model(Ticket)
            with pytest.raises(Exception):
                Ticket.sync.count()

        def test_back(redis_models_server):
            assert Ticket.sync.count() == 0
            assert redis_models_server.store.address.startswith("embedded:")
        """,
    "a block within": """
        from box.models import Ticket
        from redis_models.testing import throwaway_server

        def test_within(redis_models_server):
            with throwaway_server() as server:
                assert server is redis_models_server
                Ticket.sync.insert(Ticket(id="t"))
            assert Ticket.sync.count() == 1
        """,
}


@pytest.mark.parametrize("tests", _TESTS.values(), ids=list(_TESTS))
def test_no_test_reaches_the_server_of_the_settings(box: Box, tests: str) -> None:
    box.write("test_it.py", textwrap.dedent(tests).replace("PLACE", str(box.port)))

    ran = box.pytest()

    assert ran.returncode == 0, ran.stdout
    assert box.contents() == {}


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "workers"])
def test_what_conftest_imports_may_read_and_write_too(box: Box, arguments: tuple[str, ...]) -> None:
    path = box.root / "pyproject.toml"
    path.write_text(path.read_text() + 'addopts = "-p redis_models.testing"\n')
    box.write("conftest.py", "import box.app\n")
    box.write("test_it.py", _TESTS["asyncio"])

    ran = box.pytest(*arguments)

    assert ran.returncode == 0, ran.stdout
    assert box.contents() == {}


def test_help_and_collecting_need_no_test(box: Box) -> None:
    path = box.root / "pyproject.toml"
    path.write_text(path.read_text() + 'addopts = "-p redis_models.testing"\n')
    box.write("test_it.py", "import box.app\n\ndef test_it(): pass\n")

    assert box.pytest("--help").returncode == 0
    assert box.pytest("--collect-only").returncode == 0
    assert box.contents() == {}


def test_each_process_of_xdist_has_a_server_of_its_own(box: Box) -> None:
    text = "from box.models import Ticket\n\n"
    for number in range(12):
        text += f"def test_{number}():\n    assert Ticket.sync.count() == 0\n    Ticket.sync.insert(Ticket(id='t'))\n\n"
    box.write("test_it.py", text)

    ran = box.pytest("-n", "2")

    assert ran.returncode == 0, ran.stdout
    assert box.contents() == {}


def test_the_plugin_is_none_that_pytest_finds_by_itself(box: Box) -> None:
    box.write("conftest.py", "")
    box.write("test_it.py", "import sys\n\ndef test_it():\n    assert 'redis_models' not in sys.modules\n")

    ran = box.pytest()

    assert ran.returncode == 0, ran.stdout
    assert "pytest11" not in (ROOT / "pyproject.toml").read_text()


def test_it_needs_no_pytest_elsewhere(box: Box) -> None:
    ran = box.run("-c", "import sys, redis_models.testing\nprint('pytest' in sys.modules)")

    assert ran.stdout == "False\n"


def test_a_project_without_settings_names_its_servers(box: Box) -> None:
    box.write("pyproject.toml", f'[tool.pytest.ini_options]\nredis_models_urls = ["{box.url}"]\n')
    box.write(
        "test_it.py",
        f"""
        from redis_models import Store
        from box.models import Ticket

        Store.from_url({box.url!r}).register_model(Ticket)

        def test_first():
            Ticket.sync.insert(Ticket(id="t"))

        def test_second():
            assert Ticket.sync.count() == 0
        """,
    )

    ran = box.pytest()

    assert ran.returncode == 0, ran.stdout
    assert box.contents() == {}


def test_a_project_without_settings_learns_what_is_missing(box: Box) -> None:
    box.write("pyproject.toml", "")
    box.write("test_it.py", "def test_it(): pass\n")

    ran = box.pytest()

    assert ran.returncode == 2
    assert "redis_models.testing: no settings module is named" in ran.stdout
    assert "Traceback" not in ran.stdout


def test_tests_that_share_records_decide_themselves_when_the_server_is_emptied(box: Box) -> None:
    box.write(
        "test_it.py",
        """
        import pytest
        from box.models import Ticket

        @pytest.fixture(autouse=True)
        def redis_models_empty():
            pass

        @pytest.fixture(scope="module", autouse=True)
        def seats(redis_models_server):
            redis_models_server.clear()
            Ticket.sync.insert([Ticket(id="a"), Ticket(id="b")])

        def test_first():
            assert Ticket.sync.count() == 2

        def test_second():
            assert Ticket.sync.count() == 2
        """,
    )

    ran = box.pytest()

    assert ran.returncode == 0, ran.stdout


def test_what_fixtures_of_a_class_or_module_make_is_there_at_the_beginning_of_each_test_of_theirs(box: Box) -> None:
    box.write(
        "test_it.py",
        """
        import pytest
        from box.models import Ticket

        def ids():
            return sorted(one.id for one in Ticket.sync.select() or [])

        def test_leaves_something():
            assert ids() == ["session"]
            Ticket.sync.insert(Ticket(id="left"))

        @pytest.fixture(scope="module")
        def seats():
            Ticket.sync.insert(Ticket(id="module", seats=2), life_span_seconds=1000)
            yield
            Ticket.sync.delete("module")

        class TestClass:
            @classmethod
            def setup_class(cls):
                assert ids() == ["session"]
                Ticket.sync.insert(Ticket(id="class"))

            def test_first(self):
                assert ids() == ["class", "session"]
                Ticket.sync.delete(["class", "session"])

            def test_second(self):
                assert ids() == ["class", "session"]
                Ticket.sync.insert(Ticket(id="class", seats=9))

            def test_late(self, seats):
                assert ids() == ["class", "module", "session"]
                assert Ticket.sync.get("class").seats == 1

        class TestOther:
            async def test_first(self, seats):
                assert ids() == ["module", "session"]
                await Ticket.delete_all()

            def test_asks_for_a_fixture_late(self, request):
                Ticket.sync.insert(Ticket(id="of the test"))
                request.getfixturevalue("more")
                assert ids() == ["module", "more", "of the test", "session"]

            def test_last(self):
                assert ids() == ["module", "more", "session"]

        @pytest.fixture(scope="class")
        def more():
            Ticket.sync.insert(Ticket(id="more"))
        """,
    )
    box.write(
        "conftest.py",
        """
        import pytest

        pytest_plugins = ["redis_models.testing"]

        @pytest.fixture(scope="session", autouse=True)
        def everywhere(redis_models_server):
            from box.models import Ticket
            Ticket.sync.insert(Ticket(id="session"))
        """,
    )
    box.write("test_later.py", "from test_it import ids\n\ndef test_it():\n    assert ids() == ['session']\n")

    ran = box.pytest()

    assert ran.returncode == 0, ran.stdout
