"""The block for other runners than pytest: unittest and Django."""

from .conftest import Box

_UNITTEST = """
import unittest

from redis_models import Field, Model
from redis_models.testing import throwaway_server

class Apart(Model):
    id: str = Field(primary_key=True)

class Whole(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(throwaway_server(models=[Apart]))

    def setUp(self):
        self.server.clear()

    def test_first(self):
        from box.models import Ticket
        Ticket.sync.insert(Ticket(id="t"))
        Apart.sync.insert(Apart(id="a"))
        self.assertEqual((Ticket.sync.count(), Apart.sync.count()), (1, 1))

    def test_second(self):
        from box.models import Ticket
        self.assertEqual((Ticket.sync.count(), Apart.sync.count()), (0, 0))

class WithLoop(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.enterContext(throwaway_server())

    async def test_it(self):
        from box.models import Ticket
        await Ticket.insert(Ticket(id="t"))
        self.assertEqual(await Ticket.count(), 1)

class Zuletzt(unittest.TestCase):
    def test_everything_is_as_before(self):
        import os
        from box import settings
        from box.models import Ticket
        self.assertNotIn("REDIS_MODELS_TEST_URL", os.environ)
        self.assertTrue(settings.REDIS_URL.endswith(Ticket._store.address.partition("//")[2]))
"""


def test_unittest_has_a_block(box: Box) -> None:
    box.write("test_box.py", _UNITTEST)

    ran = box.run("-W", "error", "-m", "unittest", "-v", "test_box")

    assert ran.returncode == 0, ran.stdout
    assert "Ran 4 tests" in ran.stdout
    assert box.contents() == {}
