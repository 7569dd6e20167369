"""Declarations of one model that several tables of changes begin with; what changes goes into the braces."""

ADDRESS = """
class Address(BaseModel):
    {}
class A(Model):
    id: str = Field(primary_key=True)
    address: Address
    {}
"""
STATUS = """
class Status(Enum):
    {}
class A(Model):
    id: str = Field(primary_key=True)
    status: Status
"""
PAY = """
class Card(BaseModel):
    kind: Literal['card']
    number: str
class Cash(BaseModel):
    kind: Literal[{!r}]
    currency: str
class A(Model):
    id: str = Field(primary_key=True)
    pay: {} = Field(discriminator='kind')
"""
META = "class A(Model):\n    id: str = Field(primary_key=True)\n    class Meta:\n        {}"
BOTH = "Card | Cash"
