//! How a bridge is told what to do.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use simple_ipc::{Channel, DIRECTORY_VARIABLE, Error, ErrorKind, Options, Result, channel_info};

use crate::Bridge;
use crate::credentials::{Credentials, read_secret};
use crate::link::Link;
use crate::progress::{Progress, Tell};
use crate::settings::{self, DEFAULT_PREFIX, Settings};

/// What a [`Bridge`] is to do. Values are checked by [`start`](Builder::start).
#[must_use]
pub struct Builder {
    urls: String,
    exports: Vec<String>,
    imports: Vec<String>,
    prefix: String,
    insecure: bool,
    directory: Option<PathBuf>,
    credentials_file: Option<PathBuf>,
    token: Option<Secret>,
    user: Option<String>,
    password: Option<Secret>,
    authorities: Vec<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    tell: Arc<Tell>,
}

/// A secret, or the file that holds it.
enum Secret {
    Given(String),
    File(PathBuf),
}

impl Secret {
    fn read(&self, what: &str) -> Result<String> {
        match self {
            Secret::Given(text) => Ok(text.clone()),
            Secret::File(path) => read_secret(path, what),
        }
    }
}

impl Builder {
    pub(crate) fn new(urls: String) -> Builder {
        Builder {
            urls,
            exports: Vec::new(),
            imports: Vec::new(),
            prefix: DEFAULT_PREFIX.to_owned(),
            insecure: false,
            directory: None,
            credentials_file: None,
            token: None,
            user: None,
            password: None,
            authorities: Vec::new(),
            certificate: None,
            tell: Arc::new(|_| ()),
        }
    }

    /// Lets other machines reach the channel that lives here: a name, or a port such as `:49152`.
    ///
    /// Whoever may publish on its subjects at the server can post to it, with the rights of this process.
    pub fn export(mut self, channel: impl Into<String>) -> Builder {
        self.exports.push(channel.into());
        self
    }

    /// Makes the channel that another machine exports work here: a name, or a port such as `:49152`.
    pub fn import(mut self, channel: impl Into<String>) -> Builder {
        self.imports.push(channel.into());
        self
    }

    /// What all subjects begin with. Default: `sipc`. Bridges with different prefixes do not meet.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Builder {
        self.prefix = prefix.into();
        self
    }

    /// Allows `nats://` to another machine: everything that crosses, secrets included, can be read on the way. Default: no.
    pub fn insecure(mut self, insecure: bool) -> Builder {
        self.insecure = insecure;
        self
    }

    /// The directory of the local channels, instead of `SIMPLE_IPC_DIR` or `/tmp`.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Builder {
        self.directory = Some(directory.into());
        self
    }

    /// A credentials file of NATS: who this bridge is, and the key that proves it.
    pub fn credentials_file(mut self, path: impl Into<PathBuf>) -> Builder {
        self.credentials_file = Some(path.into());
        self
    }

    /// The server's token.
    pub fn token(mut self, token: impl Into<String>) -> Builder {
        self.token = Some(Secret::Given(token.into()));
        self
    }

    /// A file that holds the server's token.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Builder {
        self.token = Some(Secret::File(path.into()));
        self
    }

    /// The user's name at the server.
    pub fn user(mut self, name: impl Into<String>) -> Builder {
        self.user = Some(name.into());
        self
    }

    /// The user's password.
    pub fn password(mut self, password: impl Into<String>) -> Builder {
        self.password = Some(Secret::Given(password.into()));
        self
    }

    /// A file that holds the user's password.
    pub fn password_file(mut self, path: impl Into<PathBuf>) -> Builder {
        self.password = Some(Secret::File(path.into()));
        self
    }

    /// A file of certificates, PEM, by which the server is known, instead of the system's.
    pub fn certificate_authority(mut self, path: impl Into<PathBuf>) -> Builder {
        self.authorities.push(path.into());
        self
    }

    /// The certificate and the key, PEM, by which the server knows this bridge.
    pub fn client_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Builder {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Calls `tell` with what happens, in tasks of the runtime: it must not block.
    pub fn on_progress(mut self, tell: impl Fn(&Progress) + Send + Sync + 'static) -> Builder {
        self.tell = Arc::new(tell);
        self
    }

    /// Checks all this, connects, and goes to work on the runtime of the calling task.
    ///
    /// That no server answers yet is no error: the bridge goes on trying, and tells so. Fails with
    /// [`ErrorKind::InvalidArgument`] for what cannot be meant, [`ErrorKind::PermissionDenied`] where the server, or this side,
    /// refuses the other, [`ErrorKind::InUse`] for an import whose channel somebody listens on here, and
    /// [`ErrorKind::WrongMode`] for an export that is itself imported.
    pub async fn start(self) -> Result<Bridge> {
        let (settings, tell) = self.settings()?;
        for channel in &settings.imports {
            if let Some(info) = channel_info(channel, &settings.options)? {
                let whose = if info.bridge { "imports it already" } else { "listens on it here" };
                let pid = info.pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                let text = format!("cannot import channel \"{channel}\": {pid} {whose}, and a channel has one owner");
                return Err(Error::new(ErrorKind::InUse, text));
            }
        }
        for channel in &settings.exports {
            crate::local::Local::new(channel, &settings.options, &settings.directory).look()?;
        }
        Bridge::start(Link::new(settings, tell)).await
    }

    /// The same, read and checked.
    pub(crate) fn settings(self) -> Result<(Settings, Arc<Tell>)> {
        let mut credentials = Credentials { user: self.user, ..Credentials::default() };
        if let Some(path) = &self.credentials_file {
            credentials.read_file(path)?;
        }
        credentials.token = self.token.map(|token| token.read("token file")).transpose()?;
        credentials.password = self.password.map(|password| password.read("password file")).transpose()?;
        for file in self.authorities.iter().chain(self.certificate.iter().flat_map(|(file, key)| [file, key])) {
            must_be_readable(file)?;
        }
        let directory = self.directory.unwrap_or_else(default_directory);
        let settings = Settings {
            servers: settings::servers(&self.urls, self.insecure)?,
            prefix: self.prefix,
            exports: channels(&self.exports, "export")?,
            imports: channels(&self.imports, "import")?,
            credentials,
            authorities: self.authorities,
            certificate: self.certificate,
            options: Options::new().directory(&directory),
            directory,
        };
        settings::check(&settings)?;
        Ok((settings, self.tell))
    }
}

fn channels(list: &[String], what: &str) -> Result<Vec<Channel>> {
    settings::channels(list, what)
}

fn must_be_readable(path: &Path) -> Result<()> {
    let failed = |error| Error::from_os(format!("cannot read the certificate or key {}", path.display()), error);
    std::fs::File::open(path).map(drop).map_err(failed)
}

fn default_directory() -> PathBuf {
    std::env::var_os(DIRECTORY_VARIABLE).filter(|value| !value.is_empty()).map_or_else(|| "/tmp".into(), PathBuf::from)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("exports", &self.exports)
            .field("imports", &self.imports)
            .finish_non_exhaustive()
    }
}
