"""Flights with types: times, whole numbers, None for what is not known, and an Enum of carriers."""

from datetime import datetime, time
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
    dep_time: time | None
    sched_dep_time: time
    dep_delay: int | None
    arr_time: time | None
    sched_arr_time: time
    arr_delay: int | None
    carrier: Carrier
    flight: int
    tail_number: str | None
    origin: str
    destination: str
    air_time: int | None
    distance: int
    status: str = "flown"
    views: int = 0

    class Meta:
        prefix = "flights"
        version = 3
