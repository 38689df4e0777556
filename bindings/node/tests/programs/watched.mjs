// Listens and posts once.
import { listenUdsRequest, postUdsRequest } from "../../lib/index.mjs";

const options = { directory: process.argv[2] };
const server = listenUdsRequest("watched", (data) => data, options);
await postUdsRequest("watched", 1, options);
await server.close();
