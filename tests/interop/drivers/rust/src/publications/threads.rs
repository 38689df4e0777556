//! The blocking half.

use std::io::BufRead;

use simple_ipc::blocking::{Listener, Subscription, subscribe as open};
use simple_ipc::{Channel, Message};

use super::{Publishing, Subscribing, Taken, publishing, subscribing};
use crate::{Failure, say, say_error, values};

pub(crate) fn publish(prefix: &str) -> Result<(), Failure> {
    let options = super::publisher_options();
    let name = format!("{prefix}_publications");
    let named = Listener::serve_publish(&Channel::uds(&name)?, &options)?;
    let port = Listener::serve_publish(&Channel::ip(0)?, &options)?;
    say(&format!("ready\t{}", port.port().unwrap_or_default()));
    for line in std::io::stdin().lock().lines() {
        let (address, order) = publishing(&line?)?;
        let publisher = if address == name { &named } else { &port };
        match order {
            Publishing::Publish { topic, value } => {
                super::say_published(publisher.publish_message(&topic, &values::build(&value)?));
            }
            Publishing::Flood { count, size } => super::say_flooded((0..count).try_for_each(|number| {
                let event = Message::text(&super::flood_event(number, size));
                publisher.publish_message("", &event).map(drop)
            })),
            Publishing::Counters => super::say_counters(publisher.counters()),
        }
    }
    named.close()?;
    Ok(port.close()?)
}

pub(crate) fn subscribe() -> Result<(), Failure> {
    say("ready");
    let mut events: Option<Subscription> = None;
    for line in std::io::stdin().lock().lines() {
        let order = subscribing(&line?)?;
        match order {
            Subscribing::Subscribe { channel, options } => match open(&channel, &options) {
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
                super::say_next(events.next_timeout(timeout));
            }
            Subscribing::Take { total, pause } => {
                let mut taken = Taken::default();
                for event in events.as_mut().ok_or("not subscribed")? {
                    match event {
                        Ok(event) => taken.take(&event),
                        Err(error) => {
                            say_error(&error);
                            break;
                        }
                    }
                    std::thread::sleep(pause);
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
