"""Answers each request with its own body until Ctrl-C.  echo_listener.py [channel]"""

import sys

import simple_ipc

channel = sys.argv[1] if len(sys.argv) > 1 else "example_channel"
with simple_ipc.listen_uds_request(channel, lambda data: data) as server:
    print(f"listening on {channel}", flush=True)
    try:
        server.wait()
    except KeyboardInterrupt:
        print("closed")
