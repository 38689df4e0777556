//! The command line and the configuration file, which have the same keys.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueHint};
use serde::Deserialize;
use simple_ipc::{Error, ErrorKind, Result};
use simple_ipc_bridge::{Bridge, Builder};

/// Where the token and the password are taken from, since arguments can be read by every user of the machine.
const TOKEN_VARIABLE: &str = "SIMPLE_IPC_BRIDGE_TOKEN";
const PASSWORD_VARIABLE: &str = "SIMPLE_IPC_BRIDGE_PASSWORD";

const EXAMPLES: &str = "\
Secrets come from files or the environment: SIMPLE_IPC_BRIDGE_TOKEN, SIMPLE_IPC_BRIDGE_PASSWORD.

Examples:
  simple-ipc-bridge tls://nats.example:4222 --creds a.creds --export example_channel
  simple-ipc-bridge tls://nats.example:4222 --creds b.creds --import example_channel
  simple-ipc-bridge --config bridge.toml --check";

/// Carries Simple IPC channels between machines over NATS
///
/// A channel that is exported lives on this machine, and whoever may publish on its subjects at the server can post to it,
/// with the rights of the user who runs this program. A channel that is imported lives elsewhere, and its name works here.
/// Nothing is exported or imported that is not listed.
#[derive(Debug, Default, Parser, Deserialize)]
#[command(name = "simple-ipc-bridge", version, after_long_help = EXAMPLES, max_term_width = 100)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Arguments {
    /// The server: tls://HOST:PORT, or nats:// on this machine; several with commas between them
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Let other machines reach this channel: a name, or a port such as :49152; may be repeated
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) export: Vec<String>,

    /// Make this channel of another machine work here; may be repeated
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) import: Vec<String>,

    /// A credentials file of NATS
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) creds: Option<PathBuf>,

    /// A file that holds the server's token
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<PathBuf>,

    /// The user's name at the server
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// A file that holds the user's password
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,

    /// A file of certificates by which the server is known, instead of the system's; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Vec<PathBuf>,

    /// The certificate by which the server knows this bridge
    #[arg(long, value_name = "FILE", requires = "key", value_hint = ValueHint::FilePath)]
    pub(crate) cert: Option<PathBuf>,

    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,

    /// What all subjects begin with [default: sipc]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,

    /// Allow nats:// to another machine: everything can be read on the way
    #[arg(long)]
    pub(crate) insecure: bool,

    /// The directory of the sockets, instead of $SIMPLE_IPC_DIR or /tmp
    #[arg(long, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,

    /// Try everything without calling a handler, print what works, and end
    #[arg(long)]
    #[serde(skip)]
    pub(crate) check: bool,

    /// Print JSON objects, one a line, instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// A TOML file with these keys (export and import are lists); what the command line says comes first
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
}

impl Arguments {
    /// What they say, with what the configuration file says besides.
    pub(crate) fn builder(mut self) -> Result<Builder> {
        if let Some(path) = &self.config {
            let file = read(path)?;
            self = self.or(file);
        }
        let url = self.url.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "no server is named; give its URL, or url in the --config file")
        })?;
        let mut builder = Bridge::builder(url).insecure(self.insecure);
        builder = self.export.into_iter().fold(builder, Builder::export);
        builder = self.import.into_iter().fold(builder, Builder::import);
        builder = self.ca.into_iter().fold(builder, Builder::certificate_authority);
        builder = given(builder, self.creds, Builder::credentials_file);
        builder = given(builder, std::env::var(TOKEN_VARIABLE).ok(), Builder::token);
        builder = given(builder, self.token_file, Builder::token_file);
        builder = given(builder, self.user, Builder::user);
        builder = given(builder, std::env::var(PASSWORD_VARIABLE).ok(), Builder::password);
        builder = given(builder, self.password_file, Builder::password_file);
        builder = given(builder, self.prefix, Builder::prefix);
        builder = given(builder, self.dir, Builder::directory);
        builder = match (self.cert, self.key) {
            (Some(certificate), Some(key)) => builder.client_certificate(certificate, key),
            (None, None) => builder,
            _ => return Err(Error::new(ErrorKind::InvalidArgument, "cert and key are given together, or neither is")),
        };
        Ok(builder)
    }

    fn or(self, file: Arguments) -> Arguments {
        fn list<T>(own: Vec<T>, other: Vec<T>) -> Vec<T> {
            if own.is_empty() { other } else { own }
        }
        Arguments {
            url: self.url.or(file.url),
            export: list(self.export, file.export),
            import: list(self.import, file.import),
            creds: self.creds.or(file.creds),
            token_file: self.token_file.or(file.token_file),
            user: self.user.or(file.user),
            password_file: self.password_file.or(file.password_file),
            ca: list(self.ca, file.ca),
            cert: self.cert.or(file.cert),
            key: self.key.or(file.key),
            prefix: self.prefix.or(file.prefix),
            insecure: self.insecure || file.insecure,
            dir: self.dir.or(file.dir),
            check: self.check,
            json: self.json || file.json,
            config: None,
        }
    }
}

fn given<T>(builder: Builder, value: Option<T>, set: impl FnOnce(Builder, T) -> Builder) -> Builder {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

fn read(path: &Path) -> Result<Arguments> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::from_os(format!("cannot read the configuration file {}", path.display()), error))?;
    toml::from_str(&text).map_err(|error| {
        // The message alone: the rest of the text shows the line, in which there may be a secret.
        let why = format!("cannot use the configuration file {}: {}", path.display(), error.message());
        Error::new(ErrorKind::InvalidArgument, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_file_has_the_same_keys_and_the_command_line_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bridge.toml");
        std::fs::write(&path, "url = 'tls://a'\nexport = ['x', ':7']\nprefix = 'p'\nca = ['c']\n").unwrap();
        let merged = |line: &[&str]| Arguments::parse_from(["bridge"].iter().chain(line)).or(read(&path).unwrap());
        let from_file = merged(&[]);
        assert_eq!(
            (from_file.url.as_deref(), from_file.export),
            (Some("tls://a"), vec!["x".to_owned(), ":7".to_owned()])
        );
        let both = merged(&["tls://b", "--export", "y"]);
        assert_eq!(
            (both.url.as_deref(), both.export, both.prefix.as_deref()),
            (Some("tls://b"), vec!["y".to_owned()], Some("p"))
        );
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bridge.toml");
        for text in ["password = 'x'", "exports = []", "url = 1", "check = true", "="] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::InvalidArgument, "{text}");
        }
    }
}
