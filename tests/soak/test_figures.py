"""That what grows is found, and what is flat is not."""

import os
import random
import unittest
from xml.etree import ElementTree

from figures import COLLECTED, DESCRIPTORS, MEMORY, Sample, grew, plot, sample, verdicts


class Figures(unittest.TestCase):
    def test_a_leak_is_found(self):
        self.assertEqual(grew([10_000 + 100 * n for n in range(100)], MEMORY), "from 15500 to 18500")
        self.assertTrue(grew([50_000 + 1_000 * n for n in range(100)], COLLECTED))
        self.assertTrue(grew([20 + n // 5 for n in range(100)], DESCRIPTORS))

    def test_warm_up_and_noise_are_no_leak(self):
        noise = random.Random(1)
        values = [min(n * 1_000, 30_000) + noise.randrange(900) for n in range(100)]
        self.assertIsNone(grew(values, MEMORY))
        self.assertIsNone(grew([20 + n % 3 for n in range(100)], DESCRIPTORS))

    def test_what_shrinks_is_flat(self):
        self.assertIsNone(grew([100_000 - n for n in range(100)], MEMORY))

    def test_too_few_samples_give_no_verdict(self):
        with self.assertRaises(ValueError):
            grew([1, 1, 1], MEMORY)

    def test_each_figure_has_its_verdict(self):
        steady = [Sample(n, 5_000, 10, 4) for n in range(40)]
        self.assertEqual(list(verdicts(steady, False)), [])
        threads = [Sample(n, 5_000, 10, 4 + n) for n in range(40)]
        self.assertEqual(list(verdicts(threads, False)), ["threads from 26 to 38"])
        memory = [Sample(n, 5_000 + 200 * n, 10, 4) for n in range(40)]
        self.assertEqual(len(list(verdicts(memory, False))), 1)
        self.assertEqual(list(verdicts(memory, True)), [])

    def test_a_process_is_measured(self):
        before = sample(os.getpid(), 0)
        files = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
        ballast = b"x" * (32 << 20)
        after = sample(os.getpid(), 1)
        for file in files:
            os.close(file)
        self.assertEqual(after.descriptors - before.descriptors, 10)
        self.assertGreater(after.memory - before.memory, 30 << 10)
        self.assertEqual(len(ballast), 32 << 20)

    def test_the_plot_is_a_picture_of_all(self):
        samples = [Sample(n, 5_000, 10, 4) for n in range(40)]
        root = ElementTree.fromstring(plot({"a < b": samples, "c": samples}, "two & more"))
        lines = root.findall("{http://www.w3.org/2000/svg}polyline")
        self.assertEqual([len(line.get("points").split()) for line in lines], [40] * 6)
