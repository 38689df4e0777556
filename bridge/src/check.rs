//! `--check`: what of a bridge's work would go well, tried one thing after another.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use bytes::Bytes;
use serde::Serialize;
use simple_ipc::{Channel, Error, Result};

use crate::Builder;
use crate::connection::{Connection, Outcome};
use crate::info::{self, NoInfo};
use crate::link::Link;
use crate::local::Local;
use crate::wire::{self, Subjects};

/// How long an exporter may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the news of a refusal may take from the server's answer to here.
const NEWS: Duration = Duration::from_millis(100);

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// `server`, `export` or `import`.
    pub what: &'static str,
    /// The server's URL, or the channel.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// In words: who exports the channel, or what stands in the way.
    pub says: String,
    /// The time of a round trip, in microseconds, where there was one.
    pub round_trip_us: Option<u64>,
}

/// Tries the connection, the permission for each subject, who exports what, and a round trip to each exporter, without calling
/// any handler and without listening. An error is one of the builder's values; what does not work is a [`Finding`].
pub async fn check(builder: Builder) -> Result<Vec<Finding>> {
    let (settings, tell) = builder.settings()?;
    let link = Link::new(settings, tell);
    let connection = match Connection::open(&link.settings, 0).await {
        Ok(connection) => connection,
        Err(error) => return Ok(vec![no("server", link.settings.urls(), error.to_string())]),
    };
    let mut findings = Vec::new();
    let began = Instant::now();
    findings.push(match connection.settle().await {
        Ok(()) => Finding {
            what: "server",
            name: connection.server().to_owned(),
            ok: true,
            says: format!("takes messages of up to {} bytes", connection.max_payload()),
            round_trip_us: Some(microseconds(began)),
        },
        Err(error) => no("server", connection.server().to_owned(), error.to_string()),
    });
    for channel in &link.settings.exports {
        findings.push(export(&link, &connection, channel).await);
    }
    for channel in &link.settings.imports {
        findings.push(import(&link, &connection, channel).await);
    }
    connection.end();
    Ok(findings)
}

fn no(what: &'static str, name: impl Into<String>, says: impl Into<String>) -> Finding {
    Finding { what, name: name.into(), ok: false, says: says.into(), round_trip_us: None }
}

fn microseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

async fn export(link: &Link, connection: &Connection, channel: &Channel) -> Finding {
    let name = channel.to_string();
    match may_export(link, connection, channel).await {
        Ok(says) => Finding { what: "export", name, ok: true, says, round_trip_us: None },
        Err(error) => no("export", name, error.to_string()),
    }
}

async fn may_export(link: &Link, connection: &Connection, channel: &Channel) -> Result<String, Error> {
    let found = Local::new(channel, &link.settings.options, &link.settings.directory).look()?;
    let all = Subjects::new(&link.settings.prefix, channel);
    let subjects = all.of_exporters();
    // Requests that another exporter of the channel should get are not taken from it: each subject is only asked about
    // without the group, whose permission is told when the bridge works.
    let mut subscriptions = Vec::new();
    for subject in subjects {
        subscriptions.push(connection.subscribe(subject, None).await?);
    }
    connection.settle().await?;
    // News of a refusal may come a moment after that.
    let _none_in_time = tokio::time::timeout(NEWS, connection.refuses(&subjects)).await;
    let refused = subjects.into_iter().find(|subject| connection.is_refused(subject));
    drop(subscriptions);
    if let Some(subject) = refused {
        let text = format!("the server does not let this user subscribe to {subject}; permit that");
        return Err(Error::new(simple_ipc::ErrorKind::PermissionDenied, text));
    }
    Ok(match found {
        Some(found) => format!("{} listener here", found.mode),
        None => "nobody listens here yet".to_owned(),
    })
}

async fn import(link: &Link, connection: &Connection, channel: &Channel) -> Finding {
    let name = channel.to_string();
    let subjects = Subjects::new(&link.settings.prefix, channel);
    let told = match info::ask(link, connection, &subjects).await {
        Ok(told) => told,
        Err(NoInfo::Nobody) => return no("import", name, "nobody exports it"),
        Err(NoInfo::Unknown(why)) => return no("import", name, why),
    };
    let Some(mode) = told.mode() else {
        let why = told.why.unwrap_or_else(|| format!("nobody listens on it at {}", told.host));
        return no("import", name, why);
    };
    let subject = match mode {
        simple_ipc::Mode::Request => &subjects.requests,
        _ => &subjects.broadcasts,
    };
    let mut headers = HeaderMap::new();
    headers.insert(wire::PROBE, "1");
    let began = Instant::now();
    let request = connection.request(subject, headers, Bytes::new(), |_| ());
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(Outcome::Answer(_)) => Finding {
            what: "import",
            name,
            ok: true,
            says: format!("{mode} listener at {}", told.host),
            round_trip_us: Some(microseconds(began)),
        },
        Ok(Outcome::Denied) => {
            no("import", name, format!("the server does not let this user publish on {subject}; permit that"))
        }
        Ok(Outcome::NobodyThere) => no("import", name, format!("{} tells of it and does not take messages", told.host)),
        Ok(Outcome::NotSent | Outcome::Lost) => no("import", name, connection.not_connected().to_string()),
        Err(_) => no("import", name, format!("{} does not answer", told.host)),
    }
}
