import { ask, talk } from "../scenario.cjs";

Deno.test("a listener is asked", () => ask("deno_second"));
Deno.test("channels are used and closed", () => talk("deno_second"));
