"""Telling other services what has happened: facts written with the change (outbox), delivered at least once (relay).

What a fact says and how it is sent belongs to the services; receivers recognise repeats with `runtime.inbox`.
"""

from firewalker.runtime.outbox.appending import Outbox, OutboxEvent
from firewalker.runtime.outbox.delivery import EventSink, SinkFailed
from firewalker.runtime.outbox.relay import Relay

__all__ = ["EventSink", "Outbox", "OutboxEvent", "Relay", "SinkFailed"]
