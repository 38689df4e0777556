import { test } from "bun:test";
import { ask, talk } from "../scenario.cjs";

test("a listener is asked", () => ask("bun_second"));
test("channels are used and closed", () => talk("bun_second"));
