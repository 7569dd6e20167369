"""Flights with types: times, whole numbers, None for what is not known, and an Enum of airlines."""

from datetime import datetime, time
from enum import Enum

from redis_models import Field, Model


class Airline(Enum):
    """Who flies out of New York City."""

    ENDEAVOR = "Endeavor Air Inc."
    AMERICAN = "American Airlines Inc."
    ALASKA = "Alaska Airlines Inc."
    JETBLUE = "JetBlue Airways"
    DELTA = "Delta Air Lines Inc."
    EXPRESSJET = "ExpressJet Airlines Inc."
    FRONTIER = "Frontier Airlines Inc."
    AIRTRAN = "AirTran Airways Corporation"
    HAWAIIAN = "Hawaiian Airlines Inc."
    ENVOY = "Envoy Air"
    SKYWEST = "SkyWest Airlines Inc."
    UNITED = "United Air Lines Inc."
    US = "US Airways Inc."
    VIRGIN = "Virgin America"
    SOUTHWEST = "Southwest Airlines Co."
    MESA = "Mesa Airlines Inc."


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
    carrier: Airline
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
