"""The Python driver's part in publications: `publish PREFIX` and `subscribe`, each for threads and for asyncio."""

import asyncio
import time

import simple_ipc
from python_values import build, describe, lines, say_error
from simple_ipc import aio
from spoken import commands, say

PUBLISHING = {"retain": True, "patience": 20}


def flood(count, size):
    """The events of a flood."""
    for number in range(int(count)):
        yield f"flood:{number}:".ljust(int(size), "x")


def say_counters(server):
    counters = server.counters
    say("ok", *map(str, (counters.subscribers, counters.published, counters.dropped, counters.too_slow)))


def topic_of(field):
    return "" if field == "-" else field


def publish(prefix):
    with (
        simple_ipc.listen_uds_publish(f"{prefix}_publications", **PUBLISHING) as name,
        simple_ipc.listen_ip_publish(0, **PUBLISHING) as port,
    ):
        say("ready", str(port.port))
        for verb, address, *fields in commands():
            server = port if address.startswith(":") else name
            try:
                if verb == "publish":
                    say("ok", str(server.publish(build(fields[1]), topic=topic_of(fields[0]))))
                elif verb == "flood":
                    for event in flood(*fields):
                        server.publish(event)
                    say("ok")
                else:
                    say_counters(server)
            except simple_ipc.IpcError as error:
                say_error(error)


async def publish_async(prefix):
    async with (
        aio.listen_uds_publish(f"{prefix}_publications", **PUBLISHING) as name,
        aio.listen_ip_publish(0, **PUBLISHING) as port,
    ):
        say("ready", str(port.port))
        async for verb, address, *fields in lines():
            server = port if address.startswith(":") else name
            try:
                if verb == "publish":
                    say("ok", str(await server.publish(build(fields[1]), topic=topic_of(fields[0]))))
                elif verb == "flood":
                    for event in flood(*fields):
                        await server.publish(event)
                    say("ok")
                else:
                    say_counters(server)
            except simple_ipc.IpcError as error:
                say_error(error)


def subscribe_options(milliseconds, overflow, queue, topics):
    options = {"timeout": int(milliseconds) / 1000, "overflow": overflow}
    if queue != "-":
        options["queue"] = int(queue)
    if topics != "*":
        options["topics"] = topics.split(",")
    return options


def say_event(event):
    if event is None:
        say("ok", "end")
    else:
        retained = "1" if event.retained else "0"
        say("ok", str(event.missed), retained, event.topic or "-", describe(event.data))


class Taken:
    """What `take` has had of a flood."""

    def __init__(self, total):
        self.total = int(total)
        self.delivered = self.missed = 0
        self.in_order = True

    def add(self, event):
        """Counts an event; whether all that is due has come."""
        self.missed += event.missed
        # A gap of so many as were told, no more and no fewer.
        self.in_order = self.in_order and event.data.startswith(f"flood:{self.delivered + self.missed}:")
        self.delivered += 1
        return self.is_all()

    def is_all(self):
        return self.delivered + self.missed >= self.total

    def say(self):
        if not self.is_all():
            return say("ok", "end")
        return say("ok", str(self.delivered), str(self.missed), "1" if self.in_order else "0")


def subscribe():
    say("ready")
    events = None
    for verb, *fields in commands():
        try:
            if verb == "subscribe":
                address, *options = fields
                subscribe, where = (
                    (simple_ipc.subscribe_ip, int(address[1:]))
                    if address.startswith(":")
                    else (simple_ipc.subscribe_uds, address)
                )
                events = subscribe(where, **subscribe_options(*options))
                say("ok")
            elif verb == "next":
                say_event(events.next(timeout=int(fields[0]) / 1000))
            elif verb == "take":
                taken = Taken(fields[0])
                for event in events:
                    done = taken.add(event)
                    time.sleep(int(fields[1]) / 1e6)
                    if done:
                        break
                taken.say()
            else:
                events.close()
                say("ok")
        except simple_ipc.IpcError as error:
            say_error(error)


async def subscribe_async():
    say("ready")
    events = None
    async for verb, *fields in lines():
        try:
            if verb == "subscribe":
                address, *options = fields
                subscribe, where = (
                    (aio.subscribe_ip, int(address[1:])) if address.startswith(":") else (aio.subscribe_uds, address)
                )
                events = await subscribe(where, **subscribe_options(*options))
                say("ok")
            elif verb == "next":
                say_event(await events.next(timeout=int(fields[0]) / 1000))
            elif verb == "take":
                taken = Taken(fields[0])
                async for event in events:
                    done = taken.add(event)
                    if pause := int(fields[1]):
                        await asyncio.sleep(pause / 1e6)
                    if done:
                        break
                taken.say()
            else:
                await events.close()
                say("ok")
        except simple_ipc.IpcError as error:
            say_error(error)
