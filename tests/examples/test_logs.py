"""examples/logs: sources in several languages, one collector, followers in several languages."""

import json
import signal
import unittest

from tests.examples.programs import Application

LINES = 200
SOURCES = 5


class Logs(Application):
    name = "logs"

    def followers(self):
        return self.python("follow"), self.javascript("follow"), self.cpp("follow", "nlohmann_json")

    def collected(self, collector):
        file = self.scratch / "all.log"
        collecting = self.start(collector, file)
        self.assertEqual(collecting.stdout.readline(), "ready\n")
        followers = [self.start(follower, "error", SOURCES * LINES // 10) for follower in self.followers()]
        for follower in followers:
            self.assertEqual(follower.stdout.readline(), "following\n")
        sources = {
            "python": self.python("source"),
            "javascript": self.javascript("source"),
            "c": self.c("source"),
            "cpp": self.cpp("source", "nlohmann_json"),
            "rust": self.rust("logs_source"),
        }
        sending = [self.start(program, name, LINES) for name, program in sources.items()]
        for source in sending:
            self.assertEqual(self.end(source), "")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(len(lines), SOURCES * LINES)
        for name in sources:
            own = [line["text"] for line in lines if line["source"] == name]
            self.assertEqual(own, [f"line {number}" for number in range(1, LINES + 1)])
        errors = "".join(f"{line['source']}: {line['text']}\n" for line in lines if line["level"] == "error")
        for follower in followers:
            self.assertEqual(self.end(follower), errors)
        collecting.send_signal(signal.SIGTERM)
        self.end(collecting)
        self.nothing_left()

    def test_the_python_collector_keeps_all_lines_in_order_and_followers_get_theirs(self):
        self.collected(self.python("collect"))

    def test_the_javascript_collector_keeps_all_lines_in_order_and_followers_get_theirs(self):
        self.collected(self.javascript("collect"))

    def test_the_cpp_collector_keeps_all_lines_in_order_and_followers_get_theirs(self):
        self.collected(self.cpp("collect", "nlohmann_json"))


if __name__ == "__main__":
    unittest.main()
