//! What a bridge is told: servers, secrets, and the channels to carry.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;

use async_nats::ServerAddr;
use simple_ipc::{Channel, Error, ErrorKind, Options, Result};

use crate::credentials::Credentials;
use crate::wire;

/// The first token of every subject, unless told otherwise.
pub const DEFAULT_PREFIX: &str = "sipc";

/// What a bridge is told, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) servers: Vec<ServerAddr>,
    pub(crate) prefix: String,
    pub(crate) exports: Vec<Channel>,
    pub(crate) imports: Vec<Channel>,
    pub(crate) credentials: Credentials,
    /// Files of certificates that are trusted instead of the system's.
    pub(crate) authorities: Vec<PathBuf>,
    /// The certificate and the key by which the server knows the bridge.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    /// The directory of the local channels.
    pub(crate) directory: PathBuf,
    /// What holds for local listeners and posts; it leads to the same directory.
    pub(crate) options: Options,
}

impl Settings {
    /// The servers' URLs, as they were given: they have no secrets.
    pub(crate) fn urls(&self) -> String {
        let urls: Vec<_> = self.servers.iter().map(shown).collect();
        urls.join(",")
    }
}

/// A server as people know it.
pub(crate) fn shown(server: &ServerAddr) -> String {
    let host = server.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("{}://{host}:{}", server.scheme(), server.port())
}

fn mistake(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, why.into())
}

/// Reads URLs with commas between them. A plain one leads to this machine, unless that is `insecure` on purpose.
pub(crate) fn servers(urls: &str, insecure: bool) -> Result<Vec<ServerAddr>> {
    let mut servers = Vec::new();
    for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let server: ServerAddr = url.parse().map_err(|error| {
            mistake(format!("cannot use a server's URL: {error}; write it like tls://nats.example:4222"))
        })?;
        if server.has_user_pass() || server.password().is_some() {
            // Neither the URL nor any of it is shown: it holds a secret.
            return Err(mistake(
                "a server's URL names a user or a token, which every user of the machine can read in the list of processes; use \
                 --creds, --token-file, or --user and --password-file",
            ));
        }
        match server.scheme() {
            _ if server.host().is_empty() => return Err(mistake(format!("{url:?} names no host"))),
            "tls" => {}
            "nats" if insecure || is_here(server.host()) => {}
            "nats" => {
                return Err(mistake(format!(
                    "{} would carry messages over the network in the clear; use tls://, or --insecure where that is meant",
                    shown(&server)
                )));
            }
            other => return Err(mistake(format!("cannot use a server with scheme {other:?}: it is tls or nats"))),
        }
        servers.push(server);
    }
    if servers.is_empty() {
        return Err(mistake("no server is named; give a URL like tls://nats.example:4222"));
    }
    Ok(servers)
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads a list of channels, each a name or a port.
pub(crate) fn channels(list: &[String], what: &str) -> Result<Vec<Channel>> {
    let read = |text: &String| {
        if text.contains('*') || text.contains('>') {
            return Err(mistake(format!("cannot {what} {text:?}: channels are named one by one, without wildcards")));
        }
        let channel: Channel = text.parse()?;
        match (channel.name(), channel.port()) {
            (_, Some(0)) => Err(mistake(format!("cannot {what} port 0: say which port"))),
            (None, None) => {
                Err(mistake(format!("cannot {what} {text:?}: a bridge carries names and ports, not paths")))
            }
            _ => Ok(channel),
        }
    };
    list.iter().map(read).collect()
}

/// Refuses lists that cannot be meant.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    if settings.exports.is_empty() && settings.imports.is_empty() {
        return Err(mistake("nothing is exported and nothing imported; name a channel with --export or --import"));
    }
    if !wire::is_prefix(&settings.prefix) {
        return Err(mistake(format!(
            "prefix {:?} is not one or more words of A-Z, a-z, 0-9, _ and - with dots between them",
            settings.prefix
        )));
    }
    let mut seen = HashSet::new();
    for channel in settings.exports.iter().chain(&settings.imports) {
        if !seen.insert(channel) {
            return Err(mistake(format!(
                "channel \"{channel}\" is listed twice: a channel lives on one machine, and is either exported or imported"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_urls_lead_to_this_machine_unless_that_is_meant() {
        for good in
            ["nats://127.0.0.1:4222", "nats://localhost", "nats://[::1]:9", "tls://nats.example", "localhost:4222"]
        {
            assert!(servers(good, false).is_ok(), "{good}");
        }
        for bad in ["nats://nats.example:4222", "nats://10.0.0.1", "nats.example", "nats://localhost.example"] {
            assert_eq!(servers(bad, false).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
            assert!(servers(bad, true).is_ok(), "{bad}");
        }
        assert_eq!(servers("tls://a, tls://b:1", false).unwrap().len(), 2);
        for bad in ["", ",", "http://localhost", "tls://"] {
            assert!(servers(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_in_a_url_is_refused_and_not_shown() {
        for url in ["tls://user:hunter2@nats.example", "nats://hunter2@127.0.0.1"] {
            let error = servers(url, false).unwrap_err();
            assert!(!error.message().contains("hunter2") && error.message().contains("--creds"), "{error}");
        }
    }

    #[test]
    fn channels_are_listed_one_by_one() {
        let read = |text: &str| channels(&[text.to_owned()], "export");
        assert_eq!(read("example_channel").unwrap()[0].name(), Some("example_channel"));
        assert_eq!(read(":49152").unwrap()[0].port(), Some(49152));
        for bad in ["*", "sipc.>", "a-b", "./x.sock", ":0", ""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_channel_stands_on_one_list_once() {
        let settings = |exports: &[&str], imports: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| Channel::uds(name).unwrap()).collect();
            Settings {
                servers: servers("localhost", false).unwrap(),
                prefix: DEFAULT_PREFIX.to_owned(),
                exports: list(exports),
                imports: list(imports),
                credentials: Credentials::default(),
                authorities: Vec::new(),
                certificate: None,
                directory: "/tmp".into(),
                options: Options::new(),
            }
        };
        assert!(check(&settings(&["a"], &["b"])).is_ok());
        for (exports, imports) in [(&["a"][..], &["a"][..]), (&["a", "a"], &[]), (&[], &["a", "a"]), (&[], &[])] {
            assert_eq!(check(&settings(exports, imports)).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }
}
