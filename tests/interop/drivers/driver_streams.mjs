// The roles of driver.mjs about streams; ../README.md says what they read and print.

const item = (index, size) => `item:${index}:`.padEnd(Number(size), "x");

/** Counts items of a flood as they come, and whether each is the one that is due. */
class Tally {
  constructor() {
    this.count = 0;
    this.inOrder = true;
    this.chars = 0;
  }

  take(value) {
    const text = String(value);
    this.inOrder &&= text.startsWith(`item:${this.count}:`);
    this.count += 1;
    this.chars += text.length;
  }
}

/** `streams PREFIX`: the listener. */
export async function streams(ipc, { say, obeyAll }, prefix) {
  let cleaned = 0;
  let released;
  const release = new Promise((resolve) => (released = resolve));

  /** Runs a sequence, and counts that it has been left. */
  async function* counted(sequence) {
    try {
      yield* sequence;
    } finally {
      cleaned += 1;
    }
  }

  const handlers = {
    *count({ n, size }) {
      for (let index = 0; index < n; index++) yield item(index, size);
    },
    async *fail({ n }) {
      for (let index = 0; index < n; index++) yield item(index, 0);
      throw new ipc.HandlerError("on purpose", { code: "stopped", data: n });
    },
    async total(_opening, { items }) {
      const tally = new Tally();
      for await (const value of items) tally.take(value);
      return { items: tally.count, chars: tally.chars, in_order: tally.inOrder };
    },
    async *first({ n }, { items }) {
      for (let index = 0; index < n; index++) await items.next();
      yield n;
    },
    echo: (_opening, { items }) => counted(items),
    forever: ({ size }) =>
      counted(
        (function* () {
          for (let index = 0; ; index++) yield item(index, size);
        })(),
      ),
    async *silent(_opening, { items, signal }) {
      try {
        for await (const _ of items);
        // The caller has ended, and has not left yet.
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      } finally {
        cleaned += 1;
      }
    },
    async *stubborn() {
      yield item(0, 0);
      await release;
    },
  };
  const handle = (opening, context) => {
    const handler = handlers[opening?.do];
    if (!handler) throw new ipc.HandlerError("unknown");
    return handler(opening, context);
  };
  const named = ipc.listenUdsRequest(`${prefix}_streams`, handle, { onError() {} });
  const numbered = ipc.listenIpRequest(0, handle, { onError() {} });
  const verbs = {
    cleaned: () => [cleaned],
    release() {
      released();
      return [];
    },
    counters(address) {
      const { counters } = address.startsWith(":") ? numbered : named;
      return [counters.inFlight, counters.abandoned, counters.streams];
    },
  };
  say("ready", numbered.port);
  await obeyAll(async (verb, ...rest) => say("ok", ...verbs[verb](...rest)));
  await named.close();
  await numbered.close();
}

/** `stream`: the caller. */
export async function stream(ipc, { say, obeyAll, build, describe }) {
  let talk;
  let aborting;

  /** Takes so many items, or up to the end or an error, which the next `next` repeats. */
  async function take(count) {
    const tally = new Tally();
    while (tally.count < count) {
      const step = await talk.next().catch(() => ({ done: true }));
      if (step.done) break;
      tally.take(step.value);
    }
    return [tally.count, Number(tally.inOrder)];
  }

  /** Sends so many items, or as many as the listener wants; tells how many. */
  async function send(count, size) {
    for (let index = 0; index < count; index++) {
      try {
        await talk.send(item(index, size));
      } catch (error) {
        if (error.code === "closed") return index;
        throw error;
      }
    }
    return count;
  }

  const verbs = {
    async open(address, opening) {
      aborting = new AbortController();
      const [data, options] = [JSON.parse(opening), { signal: aborting.signal }];
      const isPort = address.startsWith(":");
      talk = isPort ? ipc.postIpStream(Number(address.slice(1)), data, options) : ipc.postUdsStream(address, data, options);
      await talk.accepted();
      return [];
    },
    async next(milliseconds) {
      const { done, value } = await talk.next({ timeout: Number(milliseconds) });
      return [done ? "end" : describe(value)];
    },
    take: (count) => take(Number(count)),
    async send(value) {
      await talk.send(build(value));
      return [];
    },
    sends: async (count, size) => [await send(Number(count), size)],
    async end() {
      talk.end();
      return [];
    },
    async pump(count, size) {
      const sending = send(Number(count), size).then(() => talk.end());
      const taken = await take(Number.POSITIVE_INFINITY);
      await sending;
      return taken;
    },
    async cancel() {
      const taking = talk.next();
      aborting.abort();
      try {
        // It may have had an item already; the next one it has not.
        const step = (await taking).done || (await talk.next()).done;
        return [step ? "end" : "went on"];
      } catch (error) {
        if (error !== aborting.signal.reason) throw error;
        return Promise.reject(Object.assign(new Error(error.message), { code: "cancelled" }));
      }
    },
    async leave() {
      for await (const _ of talk) break;
      return [];
    },
    async close() {
      await talk.close();
      return [];
    },
  };
  say("ready");
  await obeyAll(async (verb, ...rest) => say("ok", ...(await verbs[verb](...rest))));
}
