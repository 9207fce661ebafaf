"""Visitors without a server: Django's test client, each at an address of its own.

So no limit of one test is felt by another.
"""

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, Protocol, TypeVar

from django.contrib.auth.models import User
from django.db import connections
from django.test import Client


class Page(Protocol):
    """An answer of Django's test client."""

    status_code: int
    content: bytes


T = TypeVar("T")
_addresses = count(1)


def new_address() -> str:
    """An address nobody had in this run (198.18.0.0/15 is reserved for such things)."""
    number = next(_addresses)
    return f"198.18.{number // 250}.{number % 250 + 1}"


def visitor(user: User | None = None, address: str | None = None, **options: Any) -> Client:
    """Someone at a browser, signed in if `user` is given."""
    client = Client(REMOTE_ADDR=address or new_address(), **options)
    if user is not None:
        client.force_login(user)
    return client


def text(answer: Page) -> str:
    """What a page says that is there."""
    assert answer.status_code == 200
    return answer.content.decode()


def compact(answer: Page) -> str:
    """Returns the page without the line breaks and indents of its template.

    One space stands for each run of white space, and none at the start or end of an element.
    """
    closed = re.sub(r"(?<=>)\s+|\s+(?=</)", "", text(answer))
    return re.sub(r"\s+", " ", closed)


def all_at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Makes the calls in as many threads, started together; returns their results in order."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
