"""Every implementation subscribes to every implementation that publishes: the cases of one such pair.

What an implementation cannot do in its driver is said in `implementations.py`, and the case is then not counted.
"""

import time

import values

# Cases of `cases.json` whose values are published. The others are about requests, or take long.
PUBLISHED = ("string, empty", "string, Unicode", "string, embedded NUL", "number 2^53 - 1", "null", "nested objects",
             "bytes, none", "bytes, 1 MiB", "JSON with bytes")
OTHERS = ("topics", "flood, all are delivered", "flood, the publisher waits", "flood, the oldest are dropped and counted",
          "flood, the subscriber is too slow", "the subscriber leaves")
# Far more than the window of a subscriber and its queue together hold, in bytes.
FLOOD_EVENTS, FLOOD_BYTES = 3000, 200
SMALL_QUEUE, LARGE_QUEUE = 4096, 2 << 20
TIMEOUT = "60000"


class Pair:
    """One publisher, one subscriber, one transport."""

    def __init__(self, failed, publisher, subscriber, transport, cases):
        self.failed = failed
        self.publisher, self.subscriber, self.transport = publisher, subscriber, transport
        self.address = (f"{publisher.prefix}_publications" if transport == "Unix socket" else f":{publisher.ready[0]}")
        self.values = [case for case in cases["values"] if case["name"] in PUBLISHED]
        # Whoever subscribes is sent the last event of each topic first.
        self.retained = publisher.retained.setdefault(self.address, {})

    def answer(self, driver):
        line = driver.next()
        if line[0] != "ok":
            raise self.failed(f"{driver.implementation.name} said: {' '.join(line)[:300]}")
        return line[1:]

    def subscribe(self, overflow="fail", queue="-", topics="*"):
        self.subscriber.tell("subscribe", self.address, TIMEOUT, overflow, str(queue), topics)
        self.answer(self.subscriber)
        reads = self.subscriber.implementation.reads
        wanted = {topic: reads(value) for topic, value in self.retained.items() if topics == "*" or topic in topics.split(",")}
        got = {}
        for _ in wanted:
            missed, retained, topic, value = self.next()
            if (missed, retained) != ("0", "1"):
                raise self.failed(f"a retained event came with missed {missed}, retained {retained}")
            got[topic] = values.parse(value)
        if got != wanted:
            raise self.failed(f"the retained events were {str(got)[:200]}, not {str(wanted)[:200]}")

    def next(self):
        self.subscriber.tell("next", TIMEOUT)
        event = self.answer(self.subscriber)
        if len(event) != 4:
            raise self.failed(f"the subscriber was handed {event}")
        return event

    def close(self):
        self.subscriber.tell("close")
        self.answer(self.subscriber)

    def publish(self, case, topic="-", due=1):
        """One event, due to so many subscribers; None: to one who has just left and may not be seen to yet, or to nobody."""
        publisher = self.publisher.implementation
        self.publisher.tell("publish", self.address, topic, values.command(case, publisher.form))
        [queued] = self.answer(self.publisher)
        if due is not None and queued not in (str(due), "-"):
            raise self.failed(f"the event was queued for {queued} subscribers, not {due}")
        sent = publisher.writes(values.of_case(case))
        self.retained[topic] = sent
        if case.get("bytes") == 0:
            del self.retained[topic]
        return self.subscriber.implementation.reads(sent)

    def due(self, value, topic="-"):
        missed, retained, got_topic, got = self.next()
        if (missed, retained, got_topic) != ("0", "0", topic):
            raise self.failed(f"an event came with missed {missed}, retained {retained}, topic {got_topic!r}")
        if values.parse(got) != value:
            raise self.failed(f"the subscriber was handed {str(values.parse(got))[:200]}, not {str(value)[:200]}")

    def value(self, case):
        self.subscribe()
        self.due(self.publish(case))
        self.close()

    def topics(self):
        self.subscribe(topics="a,b")
        value = self.publish({"json": "1"}, "a")
        self.publish({"json": "2"}, "c", due=0)
        self.due(value, "a")
        self.due(self.publish({"json": "3"}, "b"), "b")
        self.close()
        # Nobody who comes later is to be sent them.
        for topic in ("a", "b", "c"):
            self.publish({"bytes": 0}, topic, due=None)

    def flood(self, overflow, queue):
        """Delivered and missed are together what was published, and the next event follows without a gap."""
        self.subscribe(overflow, queue)
        self.publisher.tell("flood", self.address, str(FLOOD_EVENTS), str(FLOOD_BYTES))
        if overflow != "block":
            self.answer(self.publisher)
        self.subscriber.tell("take", str(FLOOD_EVENTS), "0")
        delivered, missed, in_order = self.answer(self.subscriber)
        if overflow == "block":
            self.answer(self.publisher)
        if int(delivered) + int(missed) != FLOOD_EVENTS or in_order != "1":
            raise self.failed(f"{delivered} delivered and {missed} missed of {FLOOD_EVENTS}, in order: {in_order}")
        if (overflow == "drop_oldest") != (int(missed) > 0):
            raise self.failed(f"{missed} were missed with {overflow}")
        self.due(self.publish({"json": '"after the flood"'}))
        self.close()

    def too_slow(self):
        self.subscribe("fail", SMALL_QUEUE)
        self.publisher.tell("flood", self.address, str(FLOOD_EVENTS), str(FLOOD_BYTES))
        self.answer(self.publisher)
        self.subscriber.tell("take", str(FLOOD_EVENTS), "0")
        line = self.subscriber.next()
        if line[:2] != ["error", "too_slow"]:
            raise self.failed(f"the subscriber said {' '.join(line)[:300]!r}, not too_slow")
        self.close()
        self.publish({"json": '"after the flood"'}, due=None)

    def leaves(self):
        self.subscribe()
        self.close()
        for _ in range(600):
            self.publisher.tell("counters", self.address)
            counters = self.answer(self.publisher)
            if counters[0] == "0":
                return
            time.sleep(0.1)
        raise self.failed(f"the subscriber has left and is still counted: {counters}")

    def cases(self):
        for case in self.values:
            yield case["name"], lambda case=case: self.value(case)
        yield from zip(OTHERS, (
            self.topics,
            lambda: self.flood("fail", LARGE_QUEUE),
            lambda: self.flood("block", SMALL_QUEUE),
            lambda: self.flood("drop_oldest", SMALL_QUEUE),
            self.too_slow,
            self.leaves,
        ))


def why_not(publisher, subscriber, case):
    """Why a case of a pair cannot exist; None where it can."""
    if publisher.publishes is not True:
        if case == "topics" or case.startswith("bytes") or case == "JSON with bytes" or case == "the subscriber leaves":
            return f"{publisher.name} as a publisher: {publisher.publishes}"
    return None
