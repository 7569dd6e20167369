"""Flights with types: an instant, whole numbers, None for what is not known, and an Enum of carriers."""

from datetime import datetime
from enum import Enum

from redis_models import Field, Model


class Carrier(Enum):
    """Who flies out of New York City, by the code that stands on the tickets."""

    ENDEAVOR = "9E"
    AMERICAN = "AA"
    ALASKA = "AS"
    JETBLUE = "B6"
    DELTA = "DL"
    EXPRESSJET = "EV"
    FRONTIER = "F9"
    AIRTRAN = "FL"
    HAWAIIAN = "HA"
    ENVOY = "MQ"
    SKYWEST = "OO"
    UNITED = "UA"
    US_AIRWAYS = "US"
    VIRGIN_AMERICA = "VX"
    SOUTHWEST = "WN"
    MESA = "YV"


class Flight(Model):
    """One flight; ``views`` is a counter that every client may increment with HINCRBY."""

    id: str = Field(primary_key=True)
    scheduled: datetime
    dep_time: str
    sched_dep_time: str
    dep_delay: int | None
    arr_time: str
    sched_arr_time: str
    arr_delay: int | None
    carrier: Carrier
    flight: str
    tail_number: str
    origin: str
    destination: str
    air_time: int | None
    distance: str
    hour: str
    minute: str
    status: str = "flown"
    views: int = 0

    class Meta:
        prefix = "flights"
        version = 3
