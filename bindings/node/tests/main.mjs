// Every test, under the runtime that runs this: `node tests/main.mjs [part of a name]`.
import { run } from "./harness.mjs";
import "./calls.test.mjs";
import "./bodies.test.mjs";
import "./values.test.mjs";
import "./values_page.test.mjs";
import "./errors.test.mjs";
import "./handlers.test.mjs";
import "./closing.test.mjs";
import "./cancel.test.mjs";
import "./turns.test.mjs";
import "./limits.test.mjs";
import "./exit.test.mjs";
import "./examples.test.mjs";
import "./runners.test.mjs";

const failed = await run(process.argv[2] || undefined);
process.exit(failed ? 1 : 0);
