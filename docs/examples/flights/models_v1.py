"""Flights as the CSV file has them: everything is text, ``NA`` included."""

from redis_models import Field, Model


class Flight(Model):
    """One flight; ``views`` is a counter that every client may increment with HINCRBY."""

    id: str = Field(primary_key=True)
    year: str
    month: str
    day: str
    dep_time: str
    sched_dep_time: str
    dep_delay: str
    arr_time: str
    sched_arr_time: str
    arr_delay: str
    carrier: str
    flight: str
    tailnum: str
    origin: str
    dest: str
    air_time: str
    distance: str
    hour: str
    minute: str
    time_hour: str
    views: int = 0

    class Meta:
        prefix = "flights"
        version = 1
