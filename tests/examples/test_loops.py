"""examples/loops: a service in the loops of epoll, libuv and GLib."""

import unittest

from tests.examples.programs import Application


class Loops(Application):
    name = "loops"

    def ticks_in(self, loop, *packages):
        ticker = self.start(self.c(loop, *packages))
        self.assertEqual(ticker.stdout.readline(), "ready\n")
        answers = self.run_program(self.c("ask"), "now", "next", "next", "now", "nonsense").splitlines()
        words, told = zip(*(answer.split(": ") for answer in answers), strict=True)
        self.assertEqual(words, ("now", "next", "next", "now", "nonsense"))
        self.assertEqual(told[4], "unknown_word")
        before, first, second, after = map(int, told[:4])
        self.assertTrue(before < first < second <= after, told)
        self.assertTrue(self.run_program(self.c("ask"), "stop").startswith("stop: "))
        self.assertEqual(self.end(ticker), "")
        self.nothing_left()

    def test_a_loop_on_epoll_answers_between_its_ticks(self):
        self.ticks_in("epoll")

    def test_a_loop_of_libuv_answers_between_its_ticks(self):
        self.ticks_in("libuv", "libuv")

    def test_the_main_loop_of_glib_answers_between_its_ticks(self):
        self.ticks_in("glib", "glib-2.0")


if __name__ == "__main__":
    unittest.main()
