//! Subscriptions that a binding drives in its own tasks: `system::SubscriptionWatch`.

use std::sync::Arc;

use simple_ipc::blocking::Listener;
use simple_ipc::event_loop::{Next, Subscription};
use simple_ipc::system::SubscriptionWatch;
use simple_ipc::{Channel, Error, Event, Message, Options};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::Scratch;

fn channel() -> Channel {
    Channel::uds("watched").unwrap()
}

async fn next(subscription: &Subscription, watch: &SubscriptionWatch) -> Result<Option<Event>, Error> {
    loop {
        match subscription.try_next()? {
            Next::Event(event) => return Ok(Some(event)),
            Next::Ended => return Ok(None),
            _ => watch.ready().await?,
        }
    }
}

fn subscribed(options: &Options) -> (Listener, Arc<Subscription>) {
    let publisher = Listener::serve_publish(&channel(), options).unwrap();
    (publisher, Arc::new(Subscription::subscribe(&channel(), options).unwrap()))
}

#[tokio::test]
async fn a_task_is_told_of_each_event_and_of_the_end() {
    let scratch = Scratch::new();
    let (publisher, subscription) = subscribed(&scratch.options());
    let (taken, mut numbers) = unbounded_channel();
    let driven = Arc::clone(&subscription);
    let task = tokio::spawn(async move {
        let watch = SubscriptionWatch::new(&driven)?;
        while let Some(event) = next(&driven, &watch).await? {
            taken.send(event.data.decode::<u32>()?).unwrap();
        }
        Ok::<(), Error>(())
    });
    // One after the other: the task waits for each.
    for number in 0..100 {
        publisher.publish_message("", &Message::json(&number).unwrap()).unwrap();
        assert_eq!(numbers.recv().await, Some(number));
    }
    subscription.close();
    task.await.unwrap().unwrap();
    assert_eq!(numbers.recv().await, None);
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_no_event() {
    let scratch = Scratch::new();
    let (publisher, subscription) = subscribed(&scratch.options());
    let watch = SubscriptionWatch::new(&subscription).unwrap();
    for number in 0..100_u32 {
        publisher.publish_message("", &Message::json(&number).unwrap()).unwrap();
        // Looks at the wait once, ready or not, and drops it.
        let mut wait = Box::pin(watch.ready());
        std::future::poll_fn(|context| std::task::Poll::Ready(wait.as_mut().poll(context).is_ready())).await;
        drop(wait);
        let event = next(&subscription, &watch).await.unwrap().unwrap();
        assert_eq!((event.data.decode::<u32>().unwrap(), event.missed), (number, 0));
    }
}
