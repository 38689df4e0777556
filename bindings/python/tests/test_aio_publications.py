"""Publishing and subscribing on an event loop, asyncio's own and uvloop."""

import asyncio
import threading

import pytest
import simple_ipc
from simple_ipc import aio
from where import RUNNERS, descriptors, not_on_windows


@pytest.fixture(params=RUNNERS)
def run(request):
    return RUNNERS[request.param]


async def until(condition):
    """Asks until it is so; the watchdog is far away."""
    while not condition():
        await asyncio.sleep(0)


async def numbers(events, last):
    """What is delivered up to the event `last`, and how many were missed on the way."""
    got, missed = [], 0
    async for event in events:
        got.append(event.data)
        missed += event.missed
        if event.data == last:
            return got, missed
    raise AssertionError("the subscription ended before its last event")


def test_everything_that_is_published_after_subscribing_arrives_in_order(run):
    async def main():
        async with aio.listen_uds_publish("news") as name, aio.listen_ip_publish(0) as port:
            assert await name.publish("to nobody") == 0
            by_port = await aio.subscribe_ip(port.port)
            async with aio.subscribe_uds("news") as by_name:
                for number in range(1000):
                    for server in (name, port):
                        assert await server.publish([number], topic="tick") == 1
                for number in range(1000):
                    for events in (by_name, by_port):
                        event = await anext(events)
                        assert (event.data, event.topic, event.missed, event.retained) == ([number], "tick", 0, False)
            assert await by_name.next() is None
            assert [event async for event in by_name] == []
            await by_port.close()
            await until(lambda: name.counters.subscribers + port.counters.subscribers == 0)

    run(main())


@not_on_windows("threads are counted in /proc")
def test_a_subscription_starts_no_thread(python):
    program = """
import asyncio, os, sys
from simple_ipc import aio
async def main():
    async with aio.subscribe_uds("hub") as events:
        await aio.post_uds_broadcast("hub", 1)
        assert (await anext(events)).data == 1
    assert len(os.listdir("/proc/self/task")) == 1
asyncio.run(main())
"""
    with simple_ipc.listen_uds_broadcast("hub", lambda data: hub.publish(data), publish=True) as hub:
        python(program)


def test_topics_and_what_is_retained(run):
    async def main():
        async with aio.listen_uds_publish("kept", retain=True) as server:
            for number in range(3):
                await server.publish(number, topic="a")
                await server.publish(-number, topic="b")
            async with aio.subscribe_uds("kept", topics=["a"]) as events:
                await server.publish(7, topic="b")
                await server.publish(8, topic="a")
                got = [await anext(events) for _ in range(2)]
                assert [(event.data, event.retained) for event in got] == [(2, True), (8, False)]

    run(main())


def test_with_drop_oldest_every_event_is_delivered_or_counted(run):
    async def main():
        async with (
            aio.listen_uds_publish("flood") as server,
            aio.subscribe_uds("flood", overflow="drop_oldest", queue=10_000) as events,
        ):
            for number in range(20_000):
                await server.publish(number)
            got, missed = await numbers(events, 19_999)
            assert missed > 0
            assert len(got) + missed == 20_000
            assert got == sorted(got)

    run(main())


def test_with_fail_the_loop_ends_with_too_slow_and_says_so_again(run):
    async def loop(events):
        async for event in events:
            assert event.missed == 0

    async def main():
        async with aio.listen_uds_publish("flood") as server, aio.subscribe_uds("flood", queue=10_000) as events:
            while await server.publish("x" * 1000):
                pass
            for _ in range(2):
                with pytest.raises(simple_ipc.TooSlowError):
                    await loop(events)

    run(main())


def test_publish_waits_for_who_blocks_and_the_loop_goes_on(run):
    async def main():
        async with (
            aio.listen_uds_publish("flood", patience=100) as server,
            aio.subscribe_uds("flood", overflow="block", queue=10_000) as events,
        ):

            async def publish(first):
                return [await server.publish(number) for number in range(first, 4_000, 2)]

            publishing = [asyncio.create_task(publish(first)) for first in range(2)]
            delivered = [(await anext(events)).data for _ in range(4_000)]
            assert sorted(delivered) == list(range(4_000))
            for first in range(2):
                assert [number for number in delivered if number % 2 == first] == list(range(first, 4_000, 2))
            assert await asyncio.gather(*publishing) == [[1] * 2_000] * 2

    run(main())


# More than goes to a subscriber that takes nothing: one of these is on its way, one more may wait, no third one.
LARGE = "x" * 300_000


def test_publications_that_wait_keep_their_order_and_those_that_are_cancelled_are_not_published(run):
    async def main():
        async with (
            aio.listen_uds_publish("flood", patience=100) as server,
            aio.subscribe_uds("flood", overflow="block", queue=1) as events,
        ):
            tasks = [asyncio.create_task(server.publish([number, LARGE])) for number in range(12)]
            await until(lambda: server.counters.published > 0)
            cancelled = [tasks[number] for number in (3, 6, 11)]
            for task in cancelled:
                task.cancel()
            await asyncio.wait(cancelled)
            assert all(task.cancelled() for task in cancelled)
            expected = [0, 1, 2, 4, 5, 7, 8, 9, 10]
            assert [(await anext(events)).data[0] for _ in expected] == expected
            assert [await task for task in tasks if not task.cancelled()] == [1] * 9
            assert server.counters.published == 9

    run(main())


def test_publications_that_wait_end_with_the_listener(run):
    async def main():
        server = aio.listen_uds_publish("flood", patience=100, grace=0.01)
        async with aio.subscribe_uds("flood", overflow="block", queue=1):
            tasks = [asyncio.create_task(server.publish(LARGE)) for _ in range(6)]
            await until(lambda: server.counters.published > 0)
            closing = asyncio.create_task(server.close())
            for task in tasks[3:]:
                with pytest.raises(simple_ipc.IpcError) as caught:
                    await task
                assert caught.value.code in ("closed", "closing")
            await asyncio.wait([closing])
            with pytest.raises(simple_ipc.ClosedError):
                await server.publish(2)

    run(main())


def test_a_listener_with_a_handler_publishes_what_is_posted_to_it(run):
    async def main():
        async def say(line):
            await chat.publish(line)

        async with (
            aio.listen_uds_broadcast("chat", say, publish=True) as chat,
            aio.subscribe_uds("chat") as one,
            aio.subscribe_uds("chat") as other,
        ):
            for number in range(10):
                await aio.post_uds_broadcast("chat", number)
            for events in (one, other):
                assert [(await anext(events)).data for _ in range(10)] == list(range(10))

    run(main())


def test_a_task_that_is_cancelled_while_it_waits_takes_no_event_with_it(run):
    async def main():
        async with aio.listen_uds_publish("news") as server, aio.subscribe_uds("news") as events:
            delivered, published = [], 0
            for _ in range(300):
                task = asyncio.create_task(anext(events))
                await asyncio.sleep(0)
                await server.publish(published)
                published += 1
                # The cancellation meets the event before, in and behind its way to the task.
                for _ in range(published % 4):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    delivered.append(task.result().data)
            while len(delivered) < published:
                delivered.append((await events.next(timeout=60)).data)
            assert delivered == list(range(published))

    run(main())


def test_each_event_goes_to_one_of_the_tasks_that_wait(run):
    async def main():
        async with aio.listen_uds_publish("news") as server, aio.subscribe_uds("news") as events:
            tasks = [asyncio.create_task(anext(events)) for _ in range(10)]
            await asyncio.sleep(0)
            tasks[4].cancel()
            for number in range(9):
                await server.publish(number)
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(done.pop(4), asyncio.CancelledError)
            assert [event.data for event in done] == list(range(9))

    run(main())


def test_next_waits_no_longer_than_it_is_told(run):
    async def main():
        async with aio.listen_uds_publish("quiet") as server, aio.subscribe_uds("quiet") as events:
            for timeout in (0, 0.01):
                with pytest.raises(TimeoutError, match='channel "quiet"') as caught:
                    await events.next(timeout=timeout)
                assert caught.value.code == "timed_out"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(events.next(), 0.01)
            await server.publish(1)
            assert (await events.next(timeout=60)).data == 1
            with pytest.raises(simple_ipc.InvalidArgumentError):
                await events.next(timeout=-1)

    run(main())


def test_the_loop_has_its_turn_however_fast_the_publisher_is(run):
    async def main():
        stop = threading.Event()
        with simple_ipc.listen_uds_publish("flood") as server:
            async with aio.subscribe_uds("flood", overflow="drop_oldest", queue=100_000) as events:

                def flood():
                    while not stop.is_set():
                        server.publish("x" * 100)

                flooding = asyncio.create_task(asyncio.to_thread(flood))
                turns = 0

                async def others():
                    nonlocal turns
                    while True:
                        turns += 1
                        await asyncio.sleep(0)

                beside = asyncio.create_task(others())
                delivered = 0
                async for _ in events:
                    delivered += 1
                    if delivered == 5000:
                        break
                stop.set()
                beside.cancel()
                await flooding
                assert turns >= 5000 // 64

    run(main())


def test_a_loop_that_takes_nothing_is_not_woken_and_nothing_gathers(run):
    async def main():
        async with aio.listen_uds_publish("flood") as server, aio.subscribe_uds("flood") as events:
            await server.publish(0)
            assert (await anext(events)).data == 0
            taking = asyncio.create_task(anext(events))
            await asyncio.sleep(0)
            for number in range(1, 100):
                await server.publish(number)
            assert (await taking).data == 1
            # Once the loop has looked and found nobody who waits, it does not look again.
            await until(lambda: not events._watched)
            assert [(await anext(events)).data for _ in range(2, 100)] == list(range(2, 100))

    run(main())


def test_close_ends_the_loops_that_wait(run):
    async def main():
        async with aio.listen_uds_publish("quiet") as server:
            events = await aio.subscribe_uds("quiet")

            async def loop():
                return [event.data async for event in events]

            waiting = [asyncio.create_task(loop()) for _ in range(2)]
            await server.publish(1)
            await until(lambda: server.counters.subscribers == 1)
            await asyncio.sleep(0)
            await events.close()
            await events.close()
            await asyncio.gather(*waiting)
            assert "closed" in repr(events)
            await until(lambda: server.counters.subscribers == 0)

    run(main())


def test_one_that_is_let_go_is_closed(run):
    async def main():
        async with aio.listen_uds_publish("quiet") as server:
            events = await aio.subscribe_uds("quiet")
            with pytest.raises(TimeoutError):
                await events.next(timeout=0.01)
            del events
            await until(lambda: server.counters.subscribers == 0)

    run(main())


def test_a_subscription_that_is_under_way_is_given_up(run):
    async def main():
        for options in ({"wait": None}, {"wait": 3600}):
            task = asyncio.create_task(aio.subscribe_uds("nobody", timeout=None, **options)._subscribe())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        for wait in (0, 0.01):
            with pytest.raises(simple_ipc.NotListeningError):
                await aio.subscribe_uds("nobody", wait=wait)
        with pytest.raises(simple_ipc.TimedOutError):
            await aio.subscribe_uds("nobody", timeout=0)
        with pytest.raises(TypeError, match="cancel the task instead"):
            await aio.subscribe_uds("nobody", cancellation=simple_ipc.Cancellation())

    before = descriptors()
    run(main())
    assert descriptors() <= before


def test_subscribe_waits_for_its_publisher_where_it_is_told_to(run):
    async def main():
        async def first():
            async with aio.subscribe_uds("later", wait=None) as events:
                return (await anext(events)).data

        task = asyncio.create_task(first())
        await asyncio.sleep(0)
        async with aio.listen_uds_publish("later") as server:
            await until(lambda: server.counters.subscribers == 1)
            await server.publish(1)
            assert await task == 1

    run(main())


def test_a_publisher_that_is_replaced_is_one_event_with_an_unknown_number_missed(run):
    async def main():
        async with aio.listen_uds_publish("again") as server:
            events = await aio.subscribe_uds("again")
            await server.publish(1)
            assert (await anext(events)).missed == 0
        async with events, aio.listen_uds_publish("again") as server:

            async def publish():
                while await server.publish(2) == 0:
                    await asyncio.sleep(0)
                await server.publish(3)

            publishing = asyncio.create_task(publish())
            got = [await anext(events) for _ in range(2)]
            assert [(event.data, event.missed) for event in got] == [(2, -1), (3, 0)]
            await publishing

    run(main())


def test_without_reconnect_an_orderly_end_ends_the_loop_after_what_was_published(run):
    async def main():
        server = aio.listen_uds_publish("ends")
        async with aio.subscribe_uds("ends", reconnect=0) as events:
            for number in range(100):
                await server.publish(number)
            closing = asyncio.create_task(server.close())
            assert [event.data async for event in events] == list(range(100))
            await closing
            assert await events.next() is None

    run(main())


def test_a_listener_that_does_not_publish_says_so_on_both_sides(run):
    async def main():
        async with aio.listen_uds_request("asks", abs) as server:
            with pytest.raises(simple_ipc.WrongModeError):
                await aio.subscribe_uds("asks")
            with pytest.raises(simple_ipc.WrongModeError, match="publish"):
                await server.publish(1)
        async with aio.listen_uds_publish("hasty"):
            with pytest.raises(simple_ipc.WrongModeError, match="patience"):
                await aio.subscribe_uds("hasty", overflow="block")

    run(main())


def test_each_belongs_to_its_loop(run):
    async def subscribed():
        return aio.listen_uds_publish("mine"), await aio.subscribe_uds("mine")

    async def elsewhere(server, events):
        for call in (events.next(), events.close(), server.publish(1)):
            with pytest.raises(simple_ipc.InvalidArgumentError, match="belongs to"):
                await call

    async def main():
        server, events = await subscribed()
        await asyncio.to_thread(asyncio.run, elsewhere(server, events))
        async with server, events:
            pass

    run(main())
    with pytest.raises(simple_ipc.InvalidArgumentError, match="no running event loop"):
        aio.listen_uds_publish("nowhere")
