"""A request to a slow handler is cancelled after 100 ms, and the handler hears of it."""

import asyncio

from simple_ipc import aio


async def main() -> None:
    heard = asyncio.Event()

    async def slow(_: object) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            heard.set()
            raise

    async with aio.listen_uds_request("cancel", slow):
        request = asyncio.create_task(aio.post_uds_request("cancel", "take your time"))
        await asyncio.sleep(0.1)
        request.cancel()
        await heard.wait()
    print("cancelled")


asyncio.run(main())
