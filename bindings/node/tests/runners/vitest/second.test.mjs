import { test } from "vitest";
import { ask, talk } from "../scenario.cjs";

test("a listener is asked", () => ask("vitest_second"));
test("channels are used and closed", () => talk("vitest_second"));
