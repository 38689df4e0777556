import test from "node:test";
import { ask, talk } from "../scenario.cjs";

test("a listener is asked", () => ask("node_second"));
test("channels are used and closed", () => talk("node_second"));
