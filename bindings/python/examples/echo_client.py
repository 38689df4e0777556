"""Posts "hello" and prints the reply.  echo_client.py [channel]"""

import sys

import simple_ipc

channel = sys.argv[1] if len(sys.argv) > 1 else "example_channel"
print(simple_ipc.post_uds_request(channel, "hello", wait=5))
