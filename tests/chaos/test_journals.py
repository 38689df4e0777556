"""That the comparison finds each thing that could be wrong."""

import unittest

from journals import compare


def findings(sender, *listeners, gaps=()):
    split = [[line.split(" ") for line in lines] for lines in (sender, *listeners)]
    return compare({"c-1": split[0]}, split[1:], gaps)


class Compare(unittest.TestCase):
    def check(self, found, **due):
        lists = ("lost", "doubled", "untrue", "invented", "disordered", "wrong", "impatient")
        self.assertEqual(
            {name: len(getattr(found, name)) for name in lists}, {name: due.get(name, 0) for name in lists}
        )

    def test_all_is_well(self):
        found = findings(
            [
                "1 try r 1",
                "3 ok r 1",
                "4 try h 2",
                "5 not h 2 not_listening nobody",
                "6 try r 3",
                "8 may r 3 timed_out late",
                "9 try r 4",
            ],
            ["2 handled r c-1 1", "7 handled r c-1 3"],
        )
        self.check(found)
        self.assertEqual(
            (found.messages, found.acknowledged, found.not_sent, found.unknown, found.killed_before), (4, 1, 1, 1, 1)
        )

    def test_acknowledged_and_not_handled_is_lost(self):
        self.check(findings(["1 try r 1", "3 ok r 1"], ["2 ready"]), lost=1)

    def test_flushed_and_not_handled_is_lost(self):
        self.check(findings(["1 try s 1", "2 try s 2", "4 flushed s 1 2"], ["3 handled s c-1 1"]), lost=1)

    def test_an_error_may_say_that_it_cannot_be_known(self):
        self.check(findings(["1 try s 1", "2 try s 2", "4 lost s 1 2 gone"], ["3 handled s c-1 1"]))

    def test_handled_by_two_listeners_is_doubled(self):
        self.check(findings(["1 try r 1", "4 ok r 1"], ["2 handled r c-1 1"], ["3 handled r c-1 1"]), doubled=1)

    def test_handled_in_spite_of_not_sent_is_untrue(self):
        self.check(findings(["1 try h 1", "3 not h 1 closing it closes"], ["2 handled h c-1 1"]), untrue=1)

    def test_a_refused_message_of_a_stream_is_not_confirmed_with_the_others(self):
        sender = ["1 try s 1", "2 not s 1 too_large so", "3 try s 2", "5 flushed s 1 2"]
        self.check(findings(sender, ["4 handled s c-1 2"]))
        self.check(findings(sender, ["3 handled s c-1 1", "4 handled s c-1 2"]), untrue=1)

    def test_what_nobody_sent_is_invented(self):
        self.check(findings([], ["1 handled r c-1 1"]), invented=1)

    def test_order_is_looked_at(self):
        sender = ["1 try s 1", "2 try s 2", "5 flushed s 1 2"]
        self.check(findings(sender, ["3 handled s c-1 2", "4 handled s c-1 1"]), disordered=1)
        self.check(findings(sender, ["3 handled s c-1 2"], ["4 handled s c-1 1"]), disordered=1)

    def test_another_ones_answer_is_wrong(self):
        found = findings(["1 try r 1", "2 wrong r 1 r c-1 7"], ["1 handled r c-1 1"])
        self.check(found, wrong=1)

    def test_a_post_that_was_to_wait_and_did_not(self):
        self.check(findings(["1 try b 1", "2 not b 1 NotListening nobody"]), impatient=1)

    def test_posts_that_waited_are_told(self):
        found = findings(
            ["15 try r 1", "27 ok r 1", "30 try r 2", "32 ok r 2"],
            ["26 handled r c-1 1", "31 handled r c-1 2"],
            gaps=[(1, 2), (10, 20)],
        )
        self.check(found)
        self.assertEqual(found.waited, [7])
