"""Flights under better names; the date, which the scheduled hour says already, is dropped, a status is added."""

from redis_models import Field, Model


class Flight(Model):
    """One flight; ``views`` is a counter that every client may increment with HINCRBY."""

    id: str = Field(primary_key=True)
    scheduled: str
    dep_time: str
    sched_dep_time: str
    dep_delay: str
    arr_time: str
    sched_arr_time: str
    arr_delay: str
    carrier: str
    flight: str
    tail_number: str
    origin: str
    destination: str
    air_time: str
    distance: str
    hour: str
    minute: str
    status: str = "flown"
    views: int = 0

    class Meta:
        prefix = "flights"
        version = 2
