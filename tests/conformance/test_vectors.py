"""Every golden vector means to the independent decoder what it says it means, however its bytes arrive."""

import functools
import json
import re
import unittest
from pathlib import Path

from . import decoder

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
DOCUMENT = ROOT / "docs" / "protocol.md"


def load(name):
    return json.loads((VECTORS / name).read_text())


def parts(case):
    """The pieces that a case's hex is written in: one, or those of its list."""
    hex = case["hex"]
    return [bytes.fromhex(part) for part in ([hex] if isinstance(hex, str) else hex)]


def stream(case):
    return b"".join(parts(case))


def canonical(case):
    return bytes.fromhex(case["canonical_hex"]) if "canonical_hex" in case else stream(case)


def splits(pieces):
    """The pieces whole, each byte by itself, and the stream cut in two at every byte; piece borders are kept."""
    yield [[piece] for piece in pieces]
    yield [[piece[at : at + 1] for at in range(len(piece))] for piece in pieces]
    for index, piece in enumerate(pieces):
        for at in range(1, len(piece)):
            yield [[piece] if other != index else [piece[:at], piece[at:]] for other, piece in enumerate(pieces)]


def for_each(file, *groups):
    """Runs a test once for each case in these groups of a vector file, and tells which one failed."""

    def wrap(check):
        @functools.wraps(check)
        def test(self):
            vectors = load(file)
            for case in sum((vectors[group] for group in groups), []):
                with self.subTest(vector=case["name"]):
                    check(self, case)

        return test

    return wrap


class VectorTest(unittest.TestCase):
    maxDiff = None

    def check_violation(self, case, violation):
        if "error" not in case:
            self.assertIsNone(violation)
            return
        self.assertIsNotNone(violation, "nothing was found wrong")
        self.assertEqual(violation.code, case["error"])
        if case.get("at_end"):
            self.assertTrue(violation.at_end)


class HelloVectors(VectorTest):
    @for_each("hello.json", "valid", "malformed")
    def test_hellos_decode_to_their_meaning_or_their_error(self, case):
        data = stream(case)
        if case.get("at_end"):
            self.assertLess(len(data), decoder.HELLO.size)
            return
        try:
            hello = decoder.decode_hello(data, case["sender"])
        except decoder.Violation as violation:
            self.assertEqual(violation.code, case.get("error"))
        else:
            self.assertNotIn("error", case)
            self.assertEqual(hello, decoder.Hello(case["role"], case["features"], case["max_message"]))

    @for_each("hello.json", "valid")
    def test_valid_hellos_encode_to_the_same_bytes(self, case):
        hello = decoder.Hello(case["role"], case["features"], case["max_message"])
        self.assertEqual(hello.encode(), stream(case))


class FrameVectors(VectorTest):
    def meaning(self, case):
        body = bytes.fromhex(case["body_hex"])
        return decoder.Frame(case["kind"], case["id"], case["flags"], case["argument"], body)

    @for_each("frames.json", "valid", "malformed")
    def test_frames_decode_the_same_at_every_split(self, case):
        for pieces in splits(parts(case)):
            reader = decoder.FrameReader(case["sender"], case["max_message"])
            for piece in sum(pieces, []):
                reader.feed(piece)
            if case.get("at_end"):
                self.assertIsNone(reader.violation)
            reader.eof()
            self.check_violation(case, reader.violation)
            self.assertEqual(reader.events, [] if "error" in case else [self.meaning(case)])

    @for_each("frames.json", "valid")
    def test_valid_frames_encode_to_the_same_bytes(self, case):
        self.assertEqual(self.meaning(case).encode(), stream(case))

    @for_each("frames.json", "valid")
    def test_error_bodies_tell_code_and_message(self, case):
        if case["kind"] == "error":
            told = decoder.decode_error_body(bytes.fromhex(case["body_hex"]))
            more = {name: case[name] for name in ("handler_code", "handler_data") if name in case}
            self.assertEqual(told, (case["code"], case["message"], more))

    def test_every_kind_and_every_direction_has_a_valid_frame(self):
        seen = {(case["kind"], case["sender"]) for case in load("frames.json")["valid"]}
        expected = {(kind, sender) for kind, rule in decoder.RULES.items() for sender in rule.senders}
        self.assertEqual(seen, expected)


class SessionVectors(VectorTest):
    @for_each("native_sessions.json", "valid", "malformed")
    def test_sessions_mean_the_same_at_every_split(self, case):
        for pieces in splits(parts(case)):
            session = decoder.ClientSession(case["listener"], case["max_message"], case.get("check_json", False))
            for index, part in enumerate(pieces):
                for answer in case.get("answered", []):
                    if answer["before_part"] == index:
                        session.answered(answer["id"])
                for piece in part:
                    session.feed(piece)
            if case.get("at_end"):
                self.assertIsNone(session.violation)
            session.eof()
            self.assertEqual(session.events, case["events"])
            self.check_violation(case, session.violation)

    @for_each("native_sessions.json", "valid")
    def test_valid_sessions_encode_to_the_same_bytes(self, case):
        data = stream(case)
        hello, rest = data[: decoder.HELLO.size], data[decoder.HELLO.size :]
        reader = decoder.FrameReader("client", case["max_message"])
        reader.feed(rest)
        encoded = decoder.decode_hello(hello, "client").encode() + b"".join(f.encode() for f in reader.events)
        self.assertEqual(encoded, data)
        if all(event["event"] != "refused" for event in case["events"]):
            self.assertEqual(decoder.encode_session(case["events"]), data)


class ListenerSessionVectors(VectorTest):
    @for_each("listener_sessions.json", "valid", "malformed")
    def test_sessions_of_a_listener_mean_the_same_at_every_split(self, case):
        expected = {outcome["id"]: {k: v for k, v in outcome.items() if k != "id"} for outcome in case["outcomes"]}
        calls = [(call["call"], call["id"]) for call in case["calls"]]
        for pieces in splits(parts(case)):
            session = decoder.ListenerSession(calls, case.get("max_message", decoder.DEFAULT_MAX_MESSAGE))
            for piece in sum(pieces, []):
                session.feed(piece)
            if case.get("at_end"):
                self.assertIsNone(session.violation)
            session.eof()
            self.assertEqual(session.outcomes, expected)
            self.assertEqual(session.pongs, case.get("pongs", []))
            self.check_violation(case, session.violation)


class SubscriptionVectors(VectorTest):
    def session(self, case):
        if case["sender"] == "client":
            return decoder.SubscriberSession(case["max_message"])
        return decoder.PublisherSession(case["max_message"], case["all"], case.get("seen"))

    @for_each("subscriptions.json", "valid", "malformed")
    def test_sessions_of_subscriptions_mean_the_same_at_every_split(self, case):
        for pieces in splits(parts(case)):
            session = self.session(case)
            for piece in sum(pieces, []):
                session.feed(piece)
            if case.get("at_end"):
                self.assertIsNone(session.violation)
            session.eof()
            self.assertEqual(session.events, case["events"])
            self.check_violation(case, session.violation)
            if case["sender"] == "listener" and "error" not in case:
                self.assertEqual(session.ends, case["ends"])
                self.assertEqual(session.pongs, case.get("pongs", []))


class StreamVectors(VectorTest):
    @for_each("streams.json", "valid", "malformed")
    def test_sessions_with_streams_mean_the_same_at_every_split(self, case):
        answered = {at["before_part"]: at["id"] for at in case.get("answered", [])}
        for pieces in splits(parts(case)):
            of_client = case["sender"] == "client"
            make = functools.partial(decoder.ClientSession, "request") if of_client else decoder.StreamSession
            session = make(max_message=case["max_message"])
            for index, part in enumerate(pieces):
                if index in answered:
                    session.answered(answered[index])
                for piece in part:
                    session.feed(piece)
            if case.get("at_end"):
                self.assertIsNone(session.violation)
            session.eof()
            self.check_violation(case, session.violation)
            if of_client:
                self.assertEqual(session.events, case["events"])
                continue
            self.assertEqual((session.events, session.accepted), (case["items"], case["accepted"]))
            if "error" not in case:
                told = ("may_have_been_handled", "handler_code", "handler_data")
                self.assertEqual((session.ends, session.more), (case["ends"], {k: case[k] for k in told if k in case}))
                self.assertEqual(session.pongs, case.get("pongs", []))

    @for_each("streams.json", "valid")
    def test_what_a_client_sends_is_encoded_from_its_meaning(self, case):
        events = case.get("events", [])
        # What was refused or passed over does not tell its body.
        if len(events) == len(parts(case)) and all(event["event"] != "refused" for event in events):
            self.assertEqual(decoder.encode_session(events), stream(case))


class DialectVectors(VectorTest):
    @for_each("dialect.json", "valid", "malformed")
    def test_a_first_byte_tells_the_dialect(self, case):
        (first,) = stream(case)
        expected = (case["unix"], case["tcp"]) if "error" not in case else (None, None)
        self.assertEqual((decoder.dialect_of(first, True), decoder.dialect_of(first, False)), expected)

    def test_no_first_byte_is_left_out(self):
        vectors = load("dialect.json")
        firsts = [stream(case)[0] for case in vectors["valid"] + vectors["malformed"]]
        self.assertEqual(sorted(firsts), list(range(256)))


class DenoVectors(VectorTest):
    def directions(self, case):
        return ["request", "reply"] if case["direction"] == "either" else [case["direction"]]

    @for_each("deno.json", "valid", "malformed")
    def test_messages_decode_the_same_at_every_split(self, case):
        for direction in self.directions(case):
            for pieces in splits(parts(case)):
                reader = decoder.DenoReader(direction, case["max_message"])
                for piece in sum(pieces, []):
                    reader.feed(piece)
                reader.eof()
                self.check_violation(case, reader.violation)
                expected = [] if "error" in case else [(case["kind"], bytes.fromhex(case["body_hex"]))]
                self.assertEqual(reader.events, expected)

    @for_each("deno.json", "valid")
    def test_valid_messages_encode_to_their_canonical_bytes(self, case):
        self.assertEqual(decoder.encode_deno(case["kind"], bytes.fromhex(case["body_hex"])), canonical(case))


class TextVectors(VectorTest):
    def meaning(self, case):
        return [(bytes.fromhex(m["text_hex"]).decode(), m["ended_by"]) for m in case["messages"]]

    @for_each("text.json", "valid", "malformed")
    def test_texts_end_where_they_should_at_every_split(self, case):
        for pieces in splits(parts(case)):
            reader = decoder.TextReader(case["max_message"])
            for index, part in enumerate(pieces):
                for piece in part:
                    reader.feed(piece)
                if index in case.get("quiet_after", []):
                    reader.quiet()
            reader.eof()
            self.assertEqual(reader.events, self.meaning(case))
            self.check_violation(case, reader.violation)

    @for_each("text.json", "valid")
    def test_valid_texts_encode_to_their_canonical_bytes(self, case):
        lines = [text + ("\n" if ended_by == "newline" else "") for text, ended_by in self.meaning(case)]
        self.assertEqual("".join(lines).encode(), canonical(case))

    @for_each("text.json", "replies")
    def test_replies_go_out_as_text(self, case):
        body = bytes.fromhex(case["body_hex"])
        self.assertEqual(decoder.encode_text_reply(case["kind"], body, case["newline"]), stream(case))


class LockVectors(VectorTest):
    @for_each("lock.json", "valid", "malformed")
    def test_lock_files_tell_of_their_listener_or_are_no_lock_files(self, case):
        try:
            lock = decoder.decode_lock(stream(case))
        except decoder.Violation as violation:
            self.assertEqual(violation.code, case.get("error"))
        else:
            self.assertNotIn("error", case)
            self.assertEqual(lock, {field: case[field] for field in decoder.LOCK_FIELDS})

    @for_each("lock.json", "valid")
    def test_valid_lock_files_encode_to_their_canonical_bytes(self, case):
        if case["mode"] != "unknown":
            self.assertEqual(decoder.encode_lock(case), canonical(case))


class EveryVector(unittest.TestCase):
    def test_names_are_unique_and_errors_are_stable_names(self):
        stable = {"protocol", "too_large", "unsupported_version", "invalid_body", "no_reply", "empty"}
        for path in sorted(VECTORS.glob("*.json")):
            vectors = load(path.name)
            names = [case["name"] for group in vectors.values() if isinstance(group, list) for case in group]
            self.assertEqual(len(names), len(set(names)), path.name)
            for case in vectors["valid"]:
                self.assertNotIn("error", case)
            for case in vectors["malformed"]:
                self.assertIn(case["error"], stable, case["name"])

    def test_the_examples_of_the_document_are_vectors(self):
        blocks = re.findall(r"^```hex (\S+)#(\S+)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
        self.assertTrue(blocks)
        for file, name, text in blocks:
            with self.subTest(example=f"{file}#{name}"):
                # Two spaces part the bytes of a line from what is said about them.
                shown = bytes.fromhex("".join(line.split("  ")[0] for line in text.splitlines()))
                vectors = load(file)
                (case,) = [c for c in vectors["valid"] + vectors.get("replies", []) if c["name"] == name]
                self.assertEqual(shown, stream(case))
