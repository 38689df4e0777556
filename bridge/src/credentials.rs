//! How a bridge proves to the server who it is.

use std::fmt;
use std::path::Path;

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;
use simple_ipc::{Error, ErrorKind, Result};

/// What the server is told. What is not set is not sent.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// The JWT and the key of a credentials file.
    pub(crate) user_key: Option<(String, KeyPair)>,
    pub(crate) token: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl Credentials {
    /// Takes the JWT and the key from a credentials file, as NATS's own tools write it.
    pub(crate) fn read_file(&mut self, path: &Path) -> Result<()> {
        let text = read_secret(path, "credentials file")?;
        let missing = |what: &str| {
            let why = format!(
                "cannot use the credentials file {}: it has no {what}; make it with nsc generate creds",
                path.display()
            );
            Error::new(ErrorKind::InvalidArgument, why)
        };
        let jwt = between_lines(&text, "USER JWT").ok_or_else(|| missing("user JWT"))?;
        let seed = between_lines(&text, "USER NKEY SEED").ok_or_else(|| missing("NKEY seed"))?;
        let key = KeyPair::from_seed(seed).map_err(|_| missing("NKEY seed that can be read"))?;
        self.user_key = Some((jwt.to_owned(), key));
        Ok(())
    }

    /// What the server is told; `nonce` is what it wants signed.
    pub(crate) fn auth(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut auth = Auth::new();
        if let Some((jwt, key)) = &self.user_key {
            auth.jwt = Some(jwt.clone());
            auth.signature = Some(key.sign(nonce).map_err(AuthError::new)?);
        }
        auth.token.clone_from(&self.token);
        auth.username.clone_from(&self.user);
        auth.password.clone_from(&self.password);
        Ok(auth)
    }
}

/// Secrets stay out of logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The content of a file that holds a secret, without white space round it. `what` is what the file is called in the error.
pub(crate) fn read_secret(path: &Path, what: &str) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::from_os(format!("cannot read the {what} {}", path.display()), error))?;
    Ok(text.trim().to_owned())
}

/// The line between a line of hyphens that names `what` and the next one of hyphens.
fn between_lines<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("---") && line.contains("BEGIN") && line.contains(what))?;
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with("---"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "-----BEGIN NATS USER JWT-----\neyJ0.x.y\n------END NATS USER JWT------\n\n\
                        ************* IMPORTANT *************\n\n\
                        -----BEGIN USER NKEY SEED-----\nSEED\n------END USER NKEY SEED------\n";

    #[test]
    fn a_credentials_file_has_a_jwt_and_a_seed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.creds");
        let seed = KeyPair::new_user().seed().unwrap();
        std::fs::write(&path, FILE.replace("SEED\n-", &format!("{seed}\n-"))).unwrap();
        let mut credentials = Credentials::default();
        credentials.read_file(&path).unwrap();
        let auth = credentials.auth(b"nonce").unwrap();
        assert_eq!(auth.jwt.as_deref(), Some("eyJ0.x.y"));
        KeyPair::from_seed(&seed).unwrap().verify(b"nonce", &auth.signature.unwrap()).unwrap();
        assert!(!format!("{credentials:?}").contains(&seed));
    }

    #[test]
    fn a_credentials_file_that_lacks_something_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.creds");
        for text in ["", "-----BEGIN NATS USER JWT-----\n-----END\n", FILE] {
            std::fs::write(&path, text).unwrap();
            let error = Credentials::default().read_file(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains("a.creds") && !error.message().contains("SEED\n"), "{error}");
        }
        assert!(Credentials::default().read_file(Path::new("/nonexistent/x")).is_err());
    }
}
