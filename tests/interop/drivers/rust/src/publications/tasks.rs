//! The asynchronous half.

use simple_ipc::{Channel, Listener, Message, Subscription, subscribe as open};

use super::{Publishing, Subscribing, Taken, publishing, subscribing};
use crate::tasks::lines;
use crate::{Failure, say, say_error, values};

pub(crate) async fn publish(prefix: &str) -> Result<(), Failure> {
    let options = super::publisher_options();
    let name = format!("{prefix}_publications");
    let named = Listener::serve_publish(&Channel::uds(&name)?, &options).await?;
    let port = Listener::serve_publish(&Channel::ip(0)?, &options).await?;
    say(&format!("ready\t{}", port.port().unwrap_or_default()));
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let (address, order) = publishing(&line)?;
        let publisher = if address == name { &named } else { &port };
        match order {
            Publishing::Publish { topic, value } => {
                super::say_published(publisher.publish_message(&topic, &values::build(&value)?).await);
            }
            Publishing::Flood { count, size } => {
                let mut result = Ok(());
                for number in 0..count {
                    let event = Message::text(&super::flood_event(number, size));
                    result = publisher.publish_message("", &event).await.map(drop);
                    if result.is_err() {
                        break;
                    }
                }
                super::say_flooded(result);
            }
            Publishing::Counters => super::say_counters(publisher.counters()),
        }
    }
    named.close().await?;
    Ok(port.close().await?)
}

pub(crate) async fn subscribe() -> Result<(), Failure> {
    say("ready");
    let mut events: Option<Subscription> = None;
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        match subscribing(&line)? {
            Subscribing::Subscribe { channel, options } => match open(&channel, &options).await {
                Ok(subscription) => {
                    events = Some(subscription);
                    say("ok");
                }
                Err(error) => say_error(&error),
            },
            Subscribing::Close => {
                events = None;
                say("ok");
            }
            Subscribing::Next { timeout } => {
                let events = events.as_mut().ok_or("not subscribed")?;
                match tokio::time::timeout(timeout, events.next()).await {
                    Ok(event) => super::say_next(event.transpose()),
                    Err(_) => say("error\ttimed_out\tno\tno event came in time"),
                }
            }
            Subscribing::Take { total, pause } => {
                let events = events.as_mut().ok_or("not subscribed")?;
                let mut taken = Taken::default();
                while let Some(event) = events.next().await {
                    match event {
                        Ok(event) => taken.take(&event),
                        Err(error) => {
                            say_error(&error);
                            break;
                        }
                    }
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    if taken.is_complete(total) {
                        taken.say();
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}
