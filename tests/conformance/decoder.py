"""The channel protocol a second time, in standard-library Python, to hold the vectors and the library against.

Written from docs/protocol.md and nothing else. Each reader takes pieces of a stream and gathers `events`; the
first thing that breaks the protocol becomes its `violation`, and what follows is ignored. Frames of a client are
followed as a session with all its rules; frames of a listener one by one.
"""

import json
import struct
from dataclasses import dataclass

NATIVE_FIRST_BYTE = 0xF5
MAGIC = b"\xf5SIP"
VERSION = 1
HELLO = struct.Struct("<4sBBHII")
HEADER = struct.Struct("<IBBHII")

ROLES = {1: "exclusive", 2: "multiplexed", 0x11: "request", 0x12: "broadcast"}
ROLE_NUMBERS = {name: number for number, name in ROLES.items()}
CLIENT_ROLES = ("exclusive", "multiplexed")

BYTES = 0x01
ACK_WANTED = 0x02
TOPIC = 0x08
RETAINED = 0x10
STREAM = 0x20
ATTACHED = 0x40

#: The feature bit of those who know subscribe, gap, event and credit.
PUBLISH_SUBSCRIBE = 0x01
#: The feature bit of those who know streams.
STREAMS = 0x02
#: The feature bit of those who know ask.
INSPECTION = 0x04
#: The feature bit of those who know JSON with bytes.
ATTACHMENTS = 0x08
#: The feature bit of those who know share.
SHARED_MEMORY = 0x10
#: How many bytes a publisher, or either side of a stream, may send at first.
WINDOW = 262144
#: What is granted and not used is at most this many bytes.
MOST_CREDIT = 1 << 31
#: What a topic may add to the largest message: its length, and 255 bytes.
TOPIC_ROOM = 256

#: The stable error names that a listener sends; a client reports any other as 'protocol'.
ERROR_CODES = {
    "wrong_mode", "timed_out", "cancelled", "handler_failed", "too_large", "closing", "too_slow", "protocol",
    "unsupported_version", "invalid_body", "out_of_resources", "internal",
}
#: Errors by which a listener says that it has not handled the message.
NOT_HANDLED = {"wrong_mode", "closing", "invalid_body", "unsupported_version"}
#: A client takes error frames of this size whatever its largest message.
ERROR_ROOM = 1024

DEFAULT_MAX_MESSAGE = 64 << 20


@dataclass(frozen=True)
class FrameRule:
    """What a frame of one kind may hold."""

    number: int
    senders: tuple
    flags: int = 0
    body: bool = False
    needs_id: bool = False
    argument: bool = False
    #: The most that the argument may be, and the least.
    most: int = 0xFFFFFFFF
    least: int = 0


RULES = {
    "request": FrameRule(1, ("client",), flags=BYTES | ATTACHED | STREAM, body=True, needs_id=True, argument=True),
    "response": FrameRule(2, ("listener",), flags=BYTES | ATTACHED, body=True, needs_id=True),
    "error": FrameRule(3, ("listener",), body=True),
    "broadcast": FrameRule(4, ("client",), flags=BYTES | ATTACHED | ACK_WANTED, body=True),
    "ack": FrameRule(5, ("client", "listener"), needs_id=True),
    "cancel": FrameRule(6, ("client",), needs_id=True),
    "ping": FrameRule(7, ("client", "listener")),
    "pong": FrameRule(8, ("client", "listener")),
    "goaway": FrameRule(9, ("listener",)),
    "subscribe": FrameRule(16, ("client",), body=True, needs_id=True),
    "gap": FrameRule(17, ("listener",), needs_id=True, argument=True, least=1),
    "event": FrameRule(18, ("listener",), flags=BYTES | ATTACHED | TOPIC | RETAINED, body=True, needs_id=True),
    "data": FrameRule(19, ("client", "listener"), flags=BYTES | ATTACHED, body=True, needs_id=True),
    "end": FrameRule(20, ("client", "listener"), needs_id=True),
    "credit": FrameRule(21, ("client", "listener"), needs_id=True, argument=True, most=MOST_CREDIT),
    "share": FrameRule(22, ("client", "listener"), argument=True),
    "ask": FrameRule(23, ("client",), needs_id=True),
}
KINDS = {rule.number: name for name, rule in RULES.items()}


class Violation(Exception):
    """What a peer sent breaks the protocol. `code` is the stable error name."""

    def __init__(self, code, message, at_end=False):
        super().__init__(message)
        self.code = code
        #: Only the end of the stream showed it: what is there is the beginning of something.
        self.at_end = at_end


def dialect_of(first, text_allowed):
    """'native', 'deno', 'text', or None for a connection that is closed without an answer."""
    if first == NATIVE_FIRST_BYTE:
        return "native"
    if first in (0x00, 0x01):
        return "deno"
    if text_allowed and (0x02 <= first <= 0x7F or 0xC2 <= first <= 0xF4):
        return "text"
    return None


# Bodies


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def is_json(body):
    """Whether these bytes are exactly one JSON text in UTF-8."""
    try:
        # Numbers are left as text: their size is no business of the wire.
        json.loads(body.decode("utf-8"), parse_constant=_no_constant, parse_int=str, parse_float=str)
    except ValueError:
        return False
    return True


def split_attached(body):
    """The JSON text and the bytes of a body of JSON with bytes."""
    length = int.from_bytes(body[:4], "little")
    if len(body) < 4 or len(body) - 4 < length:
        raise Violation("protocol", "a body of JSON with bytes is shorter than it says")
    return body[4 : 4 + length], body[4 + length :]


def is_good_json(flags, body):
    """Whether the JSON in the body of a frame with these flags, if there is any, is JSON."""
    if flags & BYTES:
        return True
    return is_json(split_attached(body)[0] if flags & ATTACHED else body)


def kind_of_body(flags):
    """What the vectors say of the kind of a body."""
    return {"bytes": bool(flags & BYTES), **({"attached": True} if flags & ATTACHED else {})}


# Native sessions: the hello


@dataclass(frozen=True)
class Hello:
    role: str
    features: int
    max_message: int

    def encode(self):
        return HELLO.pack(MAGIC, VERSION, ROLE_NUMBERS[self.role], 0, self.features, self.max_message)


def decode_hello(data, sender):
    """The hello that these 16 bytes are, sent by a 'client' or a 'listener'."""
    magic, version, role_number, reserved, features, max_message = HELLO.unpack(data)
    if magic != MAGIC:
        raise Violation("protocol", "a session does not begin with the magic bytes")
    # Before anything else: another version may have another layout.
    if version != VERSION:
        raise Violation("unsupported_version", f"version {version} is not known, only {VERSION}")
    role = ROLES.get(role_number)
    if role is None or (role in CLIENT_ROLES) != (sender == "client"):
        raise Violation("protocol", f"role {role_number} is not one of a {sender}")
    if reserved != 0:
        raise Violation("protocol", "the reserved field of a hello is not zero")
    if max_message == 0:
        raise Violation("protocol", "the largest message in a hello is zero")
    return Hello(role, features, max_message)


# Native sessions: frames


@dataclass(frozen=True)
class Frame:
    kind: str
    id: int = 0
    flags: int = 0
    argument: int = 0
    body: bytes = b""

    def encode(self):
        number = RULES[self.kind].number
        return HEADER.pack(len(self.body), number, self.flags, 0, self.id, self.argument) + self.body


def decode_header(data, sender, max_message):
    """The frame, still without its body, and the length of that body."""
    length, number, flags, reserved, id, argument = HEADER.unpack(data)
    kind = KINDS.get(number)
    if kind is None:
        raise Violation("protocol", f"frame kind {number} is unknown")
    rule = RULES[kind]
    if sender not in rule.senders:
        raise Violation("protocol", f"a {sender} does not send {kind} frames")
    if flags & ~rule.flags:
        raise Violation("protocol", f"flags {flags:#04x} are not allowed on {kind}")
    if flags & BYTES and flags & ATTACHED:
        raise Violation("protocol", f"flags {flags:#04x} name two kinds of body")
    if reserved != 0:
        raise Violation("protocol", "the reserved field of a frame is not zero")
    if length and not rule.body:
        raise Violation("protocol", f"{kind} has no body")
    if argument and not rule.argument:
        raise Violation("protocol", f"{kind} has no argument")
    if not rule.least <= argument <= rule.most:
        raise Violation("protocol", f"{kind} has no argument from {rule.least} to {rule.most}")
    if id == 0 and (rule.needs_id or flags & ACK_WANTED):
        raise Violation("protocol", f"{kind} needs an id other than 0")
    room = max_message
    if kind == "error":
        room = max(max_message, ERROR_ROOM)
    elif kind == "event" and flags & TOPIC:
        room += TOPIC_ROOM
    if length > room:
        raise Violation("too_large", f"a body of {length} bytes is over the limit of {max_message}")
    return Frame(kind, id, flags, argument), length


def decode_error_body(body):
    """The stable error name and the text in the body of an error frame, and what the handler gave besides."""
    if is_json(body):
        value = json.loads(body)
        if isinstance(value, dict) and isinstance(value.get("code"), str) and isinstance(value.get("message"), str):
            more = {}
            if isinstance(value.get("handler_code"), str):
                more["handler_code"] = value["handler_code"]
            if "handler_data" in value:
                more["handler_data"] = value["handler_data"]
            return value["code"], value["message"], more
    raise Violation("protocol", "the body of an error frame is not {code, message}")


class StreamReader:
    """What the readers have in common: pieces come in, events are gathered up to the first violation."""

    def __init__(self):
        self.events = []
        self.violation = None
        self._pending = bytearray()

    def feed(self, data):
        """Takes the next bytes of the stream."""
        self._pending += data
        self._guard(self._read)

    def eof(self):
        """The sender has ended the stream."""
        self._guard(self._end)

    def _guard(self, step):
        if self.violation is None:
            try:
                step()
            except Violation as violation:
                self.violation = violation

    def _take(self, count):
        taken = bytes(self._pending[:count])
        del self._pending[:count]
        return taken

    def _end(self):
        if self._pending:
            raise Violation("protocol", "the stream ended in the middle of something", at_end=True)


class FrameReader(StreamReader):
    """Splits a stream that begins after the hello into frames; the events are `Frame`s."""

    def __init__(self, sender, max_message=DEFAULT_MAX_MESSAGE):
        super().__init__()
        self._sender = sender
        self._max_message = max_message
        #: Whether the hello of the sender says that it knows JSON with bytes.
        self._may_attach = True

    def _read(self):
        while len(self._pending) >= HEADER.size:
            frame, length = decode_header(self._pending[: HEADER.size], self._sender, self._max_message)
            if frame.flags & ATTACHED and not self._may_attach:
                raise Violation("protocol", "JSON with bytes from one whose hello does not know it")
            if len(self._pending) < HEADER.size + length:
                return
            self._take(HEADER.size)
            frame = Frame(frame.kind, frame.id, frame.flags, frame.argument, self._take(length))
            if frame.flags & ATTACHED and not frame.flags & TOPIC:
                split_attached(frame.body)
            self._frame(frame)

    def _frame(self, frame):
        self.events.append(frame)


class ClientSession(FrameReader):
    """What a listener makes of all that a client sends on one session, hello first; events are dictionaries.

    `mode` is the listener's own, 'request' or 'broadcast'. `answered` says that the one frame that ends a request, or a
    stream, has been written; until then it is in flight. Nothing of a stream is taken: no credit is granted.
    """

    def __init__(self, mode, max_message=DEFAULT_MAX_MESSAGE, check_json=False):
        super().__init__("client", max_message)
        self._mode = mode
        self._check_json = check_json
        self._role = None
        self._features = 0
        self._in_flight = set()
        #: Of the stream that runs: its id, what the client has said and may still send, and what this side may.
        self._stream, self._ended, self._window, self._balance = 0, False, WINDOW, WINDOW

    def answered(self, id):
        self._in_flight.remove(id)
        if id == self._stream:
            self._stream = 0

    def _read(self):
        if self._role is None:
            if len(self._pending) < HELLO.size:
                return
            hello = decode_hello(self._take(HELLO.size), "client")
            self._role = hello.role
            self._features = hello.features
            self._may_attach = bool(hello.features & ATTACHMENTS)
            self._event("hello", role=hello.role, features=hello.features, max_message=hello.max_message)
        super()._read()

    def _event(self, name, **fields):
        self.events.append({"event": name, **fields})

    def _frame(self, frame):
        if frame.kind in ("request", "broadcast"):
            self._message(frame)
        elif frame.kind == "cancel":
            self._event("cancel", id=frame.id, in_flight=frame.id in self._in_flight)
        elif frame.kind == "subscribe":
            raise Violation("protocol", "a subscribe on a session that has not begun with it")
        elif frame.kind == "share":
            if not self._features & SHARED_MEMORY:
                raise Violation("protocol", "a share from a client whose hello does not know it")
            # Whoever has no memory to give, as this decoder, refuses; nobody can take what was not given.
            if frame.argument:
                raise Violation("protocol", "a client goes over to memory that it was not given")
            self._event("share", id=frame.id)
        elif frame.kind == "ask":
            if not self._features & INSPECTION:
                raise Violation("protocol", "an ask from a client whose hello does not know it")
            self._event("ask", id=frame.id)
        elif frame.kind in ("data", "end", "credit"):
            if not self._features & STREAMS:
                raise Violation("protocol", f"{frame.kind} from a client whose hello knows no streams")
            if frame.id == self._stream:
                self._of_the_stream(frame)
        else:
            self._event(frame.kind, id=frame.id)

    def _of_the_stream(self, frame):
        if frame.kind == "credit":
            self._balance += frame.argument
            if self._balance > MOST_CREDIT:
                raise Violation("protocol", "too much credit")
            self._event("credit", id=frame.id, bytes=frame.argument)
            return
        if self._ended:
            raise Violation("protocol", f"{frame.kind} behind the client's end")
        if frame.kind == "end":
            self._ended = True
            self._event("end", id=frame.id)
            return
        if self._window <= 0:
            raise Violation("protocol", "data without credit")
        self._window -= HEADER.size + len(frame.body)
        self._event("data", id=frame.id, **kind_of_body(frame.flags), body_hex=frame.body.hex())

    def _message(self, frame):
        opens = frame.kind == "request" and bool(frame.flags & STREAM)
        if opens and not self._features & STREAMS:
            raise Violation("protocol", "a stream of a client whose hello knows none")
        if frame.kind == "request":
            if frame.id in self._in_flight:
                raise Violation("protocol", f"request id {frame.id} is in flight already")
            if self._role == "exclusive" and self._in_flight:
                raise Violation("protocol", "a second request on an exclusive session")
        if frame.kind != self._mode or (opens and self._role != "exclusive"):
            self._event("refused", id=frame.id, error="wrong_mode")
        elif self._check_json and not is_good_json(frame.flags, frame.body):
            self._event("refused", id=frame.id, error="invalid_body")
        elif frame.kind == "request":
            self._in_flight.add(frame.id)
            if opens:
                self._stream, self._ended, self._window, self._balance = frame.id, False, WINDOW, WINDOW
            self._event(
                "stream" if opens else "request",
                id=frame.id,
                **kind_of_body(frame.flags),
                timeout_ms=frame.argument,
                body_hex=frame.body.hex(),
            )
        else:
            ack_wanted = bool(frame.flags & ACK_WANTED)
            body = {**kind_of_body(frame.flags), "body_hex": frame.body.hex()}
            self._event("broadcast", id=frame.id, ack_wanted=ack_wanted, **body)


class StreamSession(FrameReader):
    """What a client makes of all that a listener sends on an exclusive session, hello first, on which it has opened one
    stream, with id 1. It takes each item at once; the events are the items.

    After the end of the stream `ends` tells how the stream ended where the listener broke no rule, and `more` what else
    is told of it.
    """

    def __init__(self, max_message=DEFAULT_MAX_MESSAGE):
        super().__init__("listener", max_message)
        self._greeted = False
        self._window = self._may_send = WINDOW
        self.accepted = False
        self.ends = None
        self.more = {}
        self.pongs = []

    def _read(self):
        if not self._greeted:
            if len(self._pending) < HELLO.size:
                return
            hello = decode_hello(self._take(HELLO.size), "listener")
            if not hello.features & STREAMS:
                raise Violation("unsupported_version", "the listener knows no streams")
            self._may_attach = bool(hello.features & ATTACHMENTS)
            self._greeted = True
        if self.ends is None:
            super()._read()

    def eof(self):
        if self.ends is None:
            super().eof()
        if self.violation is None and self.ends is None:
            self._ends("connection_lost", may_have_been_handled=self._greeted)

    def _ends(self, how, **more):
        self.ends, self.more = how, more

    def _frame(self, frame):
        if self.ends is not None:
            return
        if frame.kind == "ping":
            self.pongs.append(frame.id)
        elif frame.kind == "goaway":
            if frame.id == 0:
                self._ends("closing", may_have_been_handled=False)
        elif frame.kind == "error" and frame.id in (0, 1):
            self._told(frame)
        elif frame.kind in ("gap", "event"):
            raise Violation("protocol", f"{frame.kind} to a client that has not subscribed")
        elif frame.kind == "share":
            raise Violation("protocol", "a share to a client that asked for no memory")
        elif frame.id == 1:
            self._of_the_stream(frame)

    def _told(self, frame):
        code, _text, more = decode_error_body(frame.body)
        code = code if code in ERROR_CODES else "protocol"
        if frame.id == 0 and code in ("wrong_mode", "invalid_body"):
            return
        self._ends(code, may_have_been_handled=code not in NOT_HANDLED, **more)

    def _of_the_stream(self, frame):
        if frame.kind == "ack":
            raise Violation("protocol", "an ack of a stream")
        if frame.kind == "pong":
            return
        self.accepted = True
        if frame.kind == "credit":
            self._may_send += frame.argument
            if self._may_send > MOST_CREDIT:
                raise Violation("protocol", "too much credit")
        elif frame.kind == "end":
            self._ends("end")
        else:
            # What is taken is granted again at once: the window never runs out.
            self.events.append({**kind_of_body(frame.flags), "body_hex": frame.body.hex()})
            if frame.kind == "response":
                self._ends("end")


class ListenerSession(FrameReader):
    """What a multiplexed client makes of all that a listener sends on one session, hello first.

    `calls` is what it had sent before, in that order: `(call, id)` with 'request', 'broadcast' (no ack wanted and id 0),
    'flush' (an ack frame that asks) or 'ping'. After the end of the stream `outcomes` tells what each call that waits
    for something ended with: its answer, 'done', or an error and whether its message may have been handled all the same.
    """

    def __init__(self, calls, max_message=DEFAULT_MAX_MESSAGE):
        super().__init__("listener", max_message)
        self._greeted = False
        self._calls = {id: call for call, id in calls if call != "broadcast"}
        self._waiting = list(self._calls)
        self._broadcast_error = None
        self.outcomes = {}
        self.pongs = []

    def _read(self):
        if not self._greeted:
            if len(self._pending) < HELLO.size:
                return
            hello = decode_hello(self._take(HELLO.size), "listener")
            self._may_attach = bool(hello.features & ATTACHMENTS)
            self._greeted = True
        super()._read()

    def eof(self):
        super().eof()
        cut = self.violation is not None and self.violation.at_end
        code = "connection_lost" if self.violation is None or cut else self.violation.code
        # Before its hello a listener has handled nothing; of another version it says so itself.
        certain = (code == "connection_lost" and not self._greeted) or code in NOT_HANDLED
        for id in self._waiting:
            self._fails(id, code, not certain)
        self._waiting = []

    def _fails(self, id, code, may_have_been_handled, **more):
        self.outcomes[id] = {"error": code, "may_have_been_handled": may_have_been_handled, **more}

    def _ends(self, id, outcome):
        self._waiting.remove(id)
        self.outcomes[id] = outcome

    def _frame(self, frame):
        call = self._calls.get(frame.id)
        waits = frame.id in self._waiting
        if frame.kind == "response":
            if call == "flush":
                raise Violation("protocol", "a response to a flush")
            if waits and call == "request":
                self._ends(frame.id, {"answer_hex": frame.body.hex(), **kind_of_body(frame.flags)})
        elif frame.kind == "ack":
            if call == "request":
                raise Violation("protocol", "an ack to a request")
            if waits and call == "flush":
                self._ends(frame.id, self._broadcast_error or {"done": True})
                self._broadcast_error = None
        elif frame.kind == "pong":
            if waits and call == "ping":
                self._ends(frame.id, {"done": True})
        elif frame.kind == "ping":
            self.pongs.append(frame.id)
        elif frame.kind == "goaway":
            self._goes_away(frame.id)
        elif frame.kind == "error":
            self._told(frame, waits)
        else:
            raise Violation("protocol", f"{frame.kind} to a client that has not subscribed")

    def _goes_away(self, last):
        order = list(self._calls)
        if last != 0 and last not in order:
            return
        taken = order[: order.index(last) + 1] if last else []
        for id in [id for id in self._waiting if id not in taken]:
            self._waiting.remove(id)
            self._fails(id, "closing", False)

    def _told(self, frame, waits):
        code, _text, more = decode_error_body(frame.body)
        code = code if code in ERROR_CODES else "protocol"
        error = {"error": code, "may_have_been_handled": code not in NOT_HANDLED, **more}
        if frame.id == 0 and code in ("wrong_mode", "invalid_body"):
            self._broadcast_error = self._broadcast_error or error
        elif frame.id == 0:
            raise Violation(code, "the listener ended the session")
        elif waits:
            self._ends(frame.id, error)


# Publications

OVERFLOWS = ("fail", "drop_oldest", "block")


def decode_subscribe(body):
    """What the body of a subscribe asks for; `Violation` with `invalid_body` is answered and ends nothing else."""

    def refuse(why):
        raise Violation("invalid_body", why)

    def is_count(value):
        return isinstance(value, int) and not isinstance(value, bool)

    try:
        asked = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except ValueError:
        refuse("the body is not JSON")
    if not isinstance(asked, dict):
        refuse("the body is no object")
    wanted = {"topics": None, "overflow": "fail", "queue": 4194304}
    if "topics" in asked:
        topics = asked["topics"]
        if not isinstance(topics, list) or not 1 <= len(topics) <= 1024:
            refuse("topics is no array of 1 to 1,024")
        if not all(isinstance(topic, str) and len(topic.encode()) <= 255 for topic in topics):
            refuse("a topic is no string of at most 255 bytes")
        wanted["topics"] = topics
    if asked.get("overflow", "fail") not in OVERFLOWS:
        refuse("overflow is none of those")
    wanted["overflow"] = asked.get("overflow", "fail")
    if not is_count(asked.get("queue", 1)) or asked.get("queue", 1) < 1:
        refuse("queue is no number of bytes")
    wanted["queue"] = asked.get("queue", wanted["queue"])
    if "epoch" in asked:
        if not isinstance(asked["epoch"], str):
            refuse("epoch is no string")
        wanted["epoch"] = asked["epoch"]
    if "after" in asked:
        if "epoch" not in asked or not is_count(asked["after"]) or asked["after"] < 0:
            refuse("after is no number, or without epoch")
        wanted["after"] = asked["after"]
    return wanted


def number_after(number, count):
    """The number that is `count` events after this one: those whose low 32 bits are 0 are left out."""
    for _ in range(min(count, 3)):
        number += 2 if (number + 1) & 0xFFFFFFFF == 0 else 1
        count -= 1
    while count:
        # As far as the next one that is left out, or as far as is to go.
        step = min(count, 0xFFFFFFFF - (number & 0xFFFFFFFF))
        if step == 0:
            number, step = number + 2, 1
        else:
            number += step
        count -= step
    return number


def number_with(low, number):
    """The first number after `number` with these low 32 bits."""
    number += 1
    return number + ((low - number) & 0xFFFFFFFF)


def wants_messages(body):
    """Whether a subscribe asks for the messages that pass at a listener, not for what it publishes."""
    wanted = json.loads(body) if is_json(body) else None
    return isinstance(wanted, dict) and wanted.get("of") == "messages"


class SubscriberSession(ClientSession):
    """What a publishing listener makes of all that a subscriber sends; nothing is published meanwhile."""

    def __init__(self, max_message=DEFAULT_MAX_MESSAGE):
        super().__init__("publish", max_message)
        self._first = True
        self._subscribed, self._id = False, 0
        self._balance = WINDOW

    def _frame(self, frame):
        first, self._first = self._first, False
        if frame.kind == "subscribe":
            if not first or self._role != "multiplexed" or not self._features & PUBLISH_SUBSCRIBE:
                raise Violation("protocol", "a subscribe where none is allowed")
            self._subscribed, self._id = True, frame.id
            try:
                if self._features & INSPECTION and wants_messages(frame.body):
                    raise Violation("wrong_mode", "nobody may see what passes here")
                wanted = decode_subscribe(frame.body)
            except Violation as violation:
                self._event("refused", id=frame.id, error=violation.code)
            else:
                self._event("subscribe", id=frame.id, **wanted)
        elif frame.kind == "credit":
            if not self._subscribed or frame.id != self._id or not frame.argument:
                raise Violation("protocol", "a credit for no subscription, or of nothing")
            self._balance += frame.argument
            if self._balance > MOST_CREDIT:
                raise Violation("protocol", "too much credit")
            self._event("credit", id=frame.id, bytes=frame.argument)
        elif self._subscribed and frame.kind not in ("ping", "pong"):
            raise Violation("protocol", f"{frame.kind} on the session of a subscription")
        else:
            super()._frame(frame)


class PublisherSession(FrameReader):
    """What a subscriber makes of all that its publisher sends on one session, hello first. It takes each event at once.

    `all`: it has named no topics. `seen`: the epoch and the last number of a subscription that goes on. After the end of
    the stream `ends` tells how the session ended, where it broke no rule.
    """

    def __init__(self, max_message=DEFAULT_MAX_MESSAGE, all=True, seen=None):
        super().__init__("listener", max_message)
        self._all = all
        self._seen = seen
        self._greeted = False
        self._answered = False
        self._retained = True
        self._last = 0
        self._gap = 0
        self._missed = 0
        self._balance = WINDOW
        self._taken = 0
        self.ends = None
        self.pongs = []

    def _read(self):
        if not self._greeted:
            if len(self._pending) < HELLO.size:
                return
            hello = decode_hello(self._take(HELLO.size), "listener")
            if not hello.features & PUBLISH_SUBSCRIBE:
                raise Violation("unsupported_version", "the listener does not know subscribers")
            self._may_attach = bool(hello.features & ATTACHMENTS)
            self._greeted = True
        if self.ends is None:
            super()._read()

    def eof(self):
        super().eof()
        if self.violation is None and self.ends is None:
            self.ends = "connection_lost"

    def _frame(self, frame):
        if self.ends is not None:
            return
        if frame.kind == "response":
            self._response(frame)
        elif frame.kind == "ping":
            self.pongs.append(frame.id)
        elif frame.kind == "goaway":
            self.ends = "closing"
        elif frame.kind == "error":
            code, _text, _more = decode_error_body(frame.body)
            self.ends = code if code in ERROR_CODES else "protocol"
        elif frame.kind in ("gap", "event"):
            if not self._answered:
                raise Violation("protocol", "published before the answer")
            if self._balance <= 0:
                raise Violation("protocol", "published without credit")
            self._balance -= HEADER.size + len(frame.body)
            self._gap_frame(frame) if frame.kind == "gap" else self._event_frame(frame)
        elif frame.kind != "pong":
            raise Violation("protocol", f"{frame.kind} to a subscriber")

    def _response(self, frame):
        answer = json.loads(frame.body) if is_json(frame.body) else None
        if self._answered or frame.id != 1 or frame.flags or not isinstance(answer, dict):
            raise Violation("protocol", "not the answer that is due")
        epoch, next, missed = answer.get("epoch"), answer.get("next"), answer.get("missed")
        hexadecimal = isinstance(epoch, str) and len(epoch) == 16 and set(epoch.lower()) <= set("0123456789abcdef")
        if not hexadecimal or not isinstance(next, int) or not next & 0xFFFFFFFF:
            raise Violation("protocol", "the answer makes no sense")
        if self._seen:
            known = epoch == self._seen["epoch"] and missed is not None
            self._missed = missed if known else -1
        self._answered = True
        self._last = next - 1

    def _gap_frame(self, frame):
        self._retained = False
        self._gap += frame.argument
        least = number_after(self._last, frame.argument + 1)
        number = number_with(frame.id, least - 1)
        if self._all and number != least and frame.argument != 0xFFFFFFFF:
            raise Violation("protocol", "a gap that does not lead to its event")
        self._last = number - 1

    def _event_frame(self, frame):
        retained = bool(frame.flags & RETAINED)
        topic, body = b"", frame.body
        if frame.flags & TOPIC:
            if not body or len(body) < 1 + body[0]:
                raise Violation("protocol", "an event is shorter than its topic")
            topic, body = body[1 : 1 + body[0]], body[1 + body[0] :]
        try:
            topic = topic.decode()
        except ValueError:
            raise Violation("protocol", "a topic is not UTF-8") from None
        if len(body) > self._max_message:
            raise Violation("too_large", "a message is over the limit")
        if frame.flags & ATTACHED:
            split_attached(body)
        event = {}
        if retained:
            if not self._retained:
                raise Violation("protocol", "a retained event behind one that was due")
        else:
            number = number_with(frame.id, self._last)
            if self._all and number != number_after(self._last, 1):
                raise Violation("protocol", "an event was left out")
            self._retained = False
            self._last = event["number"] = number
        missed = -1 if self._missed == -1 else self._missed + self._gap
        self._missed = self._gap = 0
        event.update(topic=topic, **kind_of_body(frame.flags), body_hex=body.hex(), missed=missed, retained=retained)
        self.events.append(event)


def encode_session(events):
    """The stream of a client that these events tell of. What was refused does not tell its body."""
    stream = b""
    for event in events:
        if event["event"] == "hello":
            stream += Hello(event["role"], event["features"], event["max_message"]).encode()
            continue
        kind = "request" if event["event"] == "stream" else event["event"]
        flags = (BYTES if event.get("bytes") else 0) | (ACK_WANTED if event.get("ack_wanted") else 0)
        flags |= (STREAM if event["event"] == "stream" else 0) | (ATTACHED if event.get("attached") else 0)
        body = bytes.fromhex(event.get("body_hex", ""))
        argument = event.get("timeout_ms", event.get("bytes", 0) if kind == "credit" else 0)
        stream += Frame(kind, event["id"], flags & (0 if kind == "credit" else 0xFF), argument, body).encode()
    return stream


# The Deno wire


class DenoReader(StreamReader):
    """One message of the Deno wire, a 'request' (or broadcast) at a listener or a 'reply' at a client.

    The one event is `(kind, body)`, at the end of the stream.
    """

    def __init__(self, direction, max_message=DEFAULT_MAX_MESSAGE):
        super().__init__()
        self._direction = direction
        self._max_message = max_message

    def _read(self):
        if len(self._pending) > 1 + self._max_message:
            raise Violation("too_large", f"a body is over the limit of {self._max_message} bytes")

    def _end(self):
        if not self._pending:
            code = "no_reply" if self._direction == "reply" else "empty"
            raise Violation(code, "the stream ended without a byte", at_end=True)
        flag, body = self._pending[0], bytes(self._pending[1:])
        if self._direction == "request" and flag not in (0, 1):
            raise Violation("protocol", f"{flag:#04x} does not begin a message of the Deno wire")
        if flag & BYTES:
            self.events.append(("bytes", body))
            return
        text = body.decode("utf-8", "replace").removeprefix("\ufeff")
        body = text.encode()
        if not body and self._direction == "reply":
            body = b"null"
        if not is_json(body):
            raise Violation("invalid_body", "the body is not JSON", at_end=True)
        self.events.append(("json", body))


def encode_deno(kind, body):
    return bytes([BYTES if kind == "bytes" else 0]) + body


# Plain text


class TextReader(StreamReader):
    """The messages of a plain-text connection; the events are `(text, ended_by)`.

    The clock is the caller's: `quiet` says that 50 ms have gone by without a byte.
    """

    def __init__(self, max_message=DEFAULT_MAX_MESSAGE):
        super().__init__()
        self._max_message = max_message

    def quiet(self):
        self._guard(self._quiet)

    def _quiet(self):
        if self._pending and not self._ends_inside_a_character():
            self._message(self._take(len(self._pending)), "quiet")

    def _read(self):
        while (at := self._pending.find(b"\n")) >= 0:
            line = self._take(at + 1)[:-1]
            self._message(line.removesuffix(b"\r"), "newline")
        # One byte more may be the carriage return of the line's end.
        if len(self._pending) > self._max_message + 1:
            self._message(bytes(self._pending), None)

    def _end(self):
        if self._pending:
            self._message(self._take(len(self._pending)), "end")

    def _message(self, data, ended_by):
        if len(data) > self._max_message:
            raise Violation("too_large", f"a text is over the limit of {self._max_message} bytes")
        try:
            self.events.append((data.decode("utf-8"), ended_by))
        except UnicodeDecodeError as error:
            raise Violation("protocol", "the text is not UTF-8") from error

    def _ends_inside_a_character(self):
        try:
            self._pending.decode("utf-8")
        except UnicodeDecodeError as error:
            return error.reason == "unexpected end of data"
        return False


def encode_text_reply(kind, body, newline):
    """What goes back for a reply of this kind to a message that ended with a newline or without one."""
    data = body
    if kind == "json":
        value = json.loads(body)
        if isinstance(value, str):
            try:
                data = value.encode()
            except UnicodeEncodeError:
                pass  # Half of a surrogate pair has no UTF-8: it goes as the JSON text that it came as.
    return data + (b"\n" if newline else b"")


# The lock file


LOCK_FIELDS = ("pid", "version", "channel", "mode", "started")


def decode_lock(data):
    """What a lock file says about its listener."""
    if not is_json(data):
        raise Violation("invalid_body", "a lock file is not JSON")
    value = json.loads(data)
    if not isinstance(value, dict):
        raise Violation("invalid_body", "a lock file is not a JSON object")

    def is_number(field, least):
        number = value.get(field)
        return isinstance(number, int) and not isinstance(number, bool) and number >= least

    for field, good in (
        ("pid", is_number("pid", 1)),
        ("version", isinstance(value.get("version"), str)),
        ("channel", isinstance(value.get("channel"), str)),
        ("mode", isinstance(value.get("mode"), str)),
        ("started", is_number("started", 0)),
    ):
        if not good:
            raise Violation("invalid_body", f"a lock file has no good {field}")
    lock = {field: value[field] for field in LOCK_FIELDS}
    return lock if lock["mode"] in ("request", "broadcast") else {**lock, "mode": "unknown"}


def encode_lock(lock):
    ordered = {field: lock[field] for field in LOCK_FIELDS}
    return json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
