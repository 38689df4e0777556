//! Who may do what: TLS, users, tokens, credentials files, permissions for each subject.

use std::path::{Path, PathBuf};
use std::process::Command;

use nkeys::KeyPair;
use simple_ipc::{ErrorKind, listen_uds_request_with, post_uds_request_with, post_uds_stream_with, subscribe_uds_with};
use simple_ipc_bridge::Progress;

use crate::support::{Machine, Server, Told, eventually, file};

/// A certificate authority of the test's own, and a server's certificate by it.
struct Authority {
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Authority {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority { directory };
        authority.openssl(
            &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
                .into_iter()
                .chain(["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bridge tests"])
                .collect::<Vec<_>>(),
        );
        authority.issue("server");
        authority.issue("client");
        authority
    }

    fn issue(&self, name: &str) {
        file(self.directory.path(), "names.ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        self.openssl(
            &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", &key]
                .into_iter()
                .chain(["-out", &request, "-subj", &subject])
                .collect::<Vec<_>>(),
        );
        self.openssl(
            &["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
                .into_iter()
                .chain(["-days", "2", "-extfile", "names.ext", "-out", &certificate])
                .collect::<Vec<_>>(),
        );
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(self.directory.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The lines of a server's configuration.
    fn configuration(&self, verify: bool) -> String {
        format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: {verify} }}\n",
            self.path("server.pem"),
            self.path("server.key"),
            self.path("ca.pem"),
        )
    }
}

/// Two users: `a` may export, `b` may call and no more. This is what docs/bridge.md recommends.
const USERS: &str = r#"
authorization {
  users = [
    { user: a, password: secret_a, permissions: {
        subscribe: ["sipc.*.example_channel sipc", "sipc.*.example_channel", "_INBOX.>"],
        publish: ["sipc.evt.example_channel.*", "_INBOX.>"] } }
    { user: b, password: secret_b, permissions: {
        subscribe: ["sipc.evt.example_channel.*", "_INBOX.>"],
        publish: ["sipc.*.example_channel", "_INBOX.>"] } }
  ]
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_two_users_and_their_permissions_a_request_and_a_stream_cross() {
    let authority = Authority::new();
    let server = Server::with(&(authority.configuration(false) + USERS));
    let (here, there) = (Machine::new(), Machine::new());
    let password = file(there.path(), "b.password", "secret_b\n");
    let exporter = here.bridge(&server.url()).certificate_authority(authority.path("ca.pem"));
    let exporter = exporter.user("a").password("secret_a").export("example_channel").start().await.unwrap();
    let importer = there.bridge(&server.url()).certificate_authority(authority.path("ca.pem"));
    let importer = importer.user("b").password_file(password).import("example_channel").start().await.unwrap();
    let handler = async |data: String| Ok(data + "!");
    let publishes = here.options().publish(true);
    let listener = listen_uds_request_with("example_channel", &publishes, handler).await.unwrap();
    let reply: String = post_uds_request_with("example_channel", "hello", &there.options()).await.unwrap();
    assert_eq!(reply, "hello!");
    // A single answer is a stream's one item.
    let mut items = post_uds_stream_with::<String>("example_channel", "hello", &there.options()).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), "hello!");
    assert!(items.next().await.is_none());
    let mut events = subscribe_uds_with::<String>("example_channel", &there.options()).await.unwrap();
    eventually("the bridge's subscription", || listener.counters().subscribers == 1).await;
    listener.publish("tick").await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().data, "tick");
    drop((exporter, importer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_known_is_refused_and_one_that_wants_a_certificate_gets_it() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::with(&authority.configuration(true));
    let machine = Machine::new();
    let bridge =
        |with: &Authority| machine.bridge(&server.url()).certificate_authority(with.path("ca.pem")).export("x");
    let error = bridge(&other).start().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.message().contains("--ca"), "{error}");
    let known = bridge(&authority).client_certificate(authority.path("client.pem"), authority.path("client.key"));
    assert!(known.start().await.unwrap().is_connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secrets_are_refused_at_once_and_not_shown() {
    let users = Server::with(USERS);
    let token = Server::with("authorization { token: right }");
    let machine = Machine::new();
    for builder in [
        machine.bridge(&users.url()).user("a").password("hunter2"),
        machine.bridge(&users.url()),
        machine.bridge(&token.url()).token("hunter2"),
    ] {
        let error = builder.export("x").start().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.message().contains("--creds") && !error.message().contains("hunter2"), "{error}");
    }
    let file = file(machine.path(), "token", "right\n");
    assert!(machine.bridge(&token.url()).token_file(file).export("x").start().await.unwrap().is_connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_the_server_refuses_is_told_and_the_others_go_on() {
    let configuration = r#"authorization {
        users = [
          { user: a, password: a }
          { user: limited, password: l, permissions: {
              subscribe: { deny: ["sipc.req.closed"] }, publish: { deny: ["sipc.req.silent"] } } }
        ] }"#;
    let (server, here, there) = (Server::with(configuration), Machine::new(), Machine::new());
    for name in ["open", "silent"] {
        let listener = listen_uds_request_with(name, &here.options(), async |(): ()| Ok(())).await.unwrap();
        // They live as long as the test's process.
        std::mem::forget(listener);
    }
    let told = Told::default();
    let limited = |machine: &Machine| machine.bridge(&server.url()).user("limited").password("l");
    let exporter = told.hears(limited(&here).export("open").export("silent").export("closed"));
    let _exporter = exporter.start().await.unwrap();
    told.until("the refusal", |progress| {
        matches!(progress, Progress::NotExporting { channel, why } if channel == "closed" && why.contains("sipc.req.closed"))
    })
    .await;
    let _importer = limited(&there).import("open").import("silent").start().await.unwrap();
    post_uds_request_with::<()>("open", (), &there.options()).await.unwrap();
    let error = post_uds_request_with::<()>("silent", (), &there.options()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::PermissionDenied, false), "{error}");
    assert!(error.message().contains("sipc.req.silent"), "{error}");
    post_uds_request_with::<()>("open", (), &there.options()).await.unwrap();
}

/// The parts of a JWT of NATS: claims, signed by a key.
fn jwt(claims: &serde_json::Value, signer: &KeyPair) -> String {
    let part = |bytes: &[u8]| {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let all = chunk.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for at in 0..=chunk.len() {
                text.push(char::from(DIGITS[(all >> (18 - 6 * at)) as usize & 63]));
            }
        }
        text
    };
    let head = part(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let signed = format!("{head}.{}", part(claims.to_string().as_bytes()));
    let signature = part(&signer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// An operator, an account of its, and a user of that: what `nsc` makes.
fn operator(directory: &Path) -> (String, PathBuf) {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let claims = |subject: &KeyPair, issuer: &KeyPair, name: &str, nats: serde_json::Value| {
        let claims = serde_json::json!({
            "jti": name, "iat": 1_700_000_000, "iss": issuer.public_key(), "name": name, "sub": subject.public_key(), "nats": nats,
        });
        jwt(&claims, issuer)
    };
    let limits = serde_json::json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    });
    let of_operator = claims(&operator, &operator, "operator", serde_json::json!({ "type": "operator", "version": 2 }));
    let of_account = claims(
        &account,
        &operator,
        "account",
        serde_json::json!({ "type": "account", "version": 2, "limits": limits }),
    );
    let unlimited = serde_json::json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {} });
    let of_user = claims(&user, &account, "user", unlimited);
    let configuration = format!(
        "operator: {of_operator}\nresolver: MEMORY\nresolver_preload {{ {}: {of_account} }}\n",
        account.public_key()
    );
    let creds = format!(
        "-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().unwrap()
    );
    (configuration, file(directory, "user.creds", &creds))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file_of_nats_opens_the_server_and_another_does_not() {
    let machine = Machine::new();
    let (configuration, creds) = operator(machine.path());
    let other = Machine::new();
    let (_, stranger) = operator(other.path());
    let server = Server::with(&configuration);
    let bridge = |creds: PathBuf| machine.bridge(&server.url()).credentials_file(creds).export("x").start();
    assert!(bridge(creds).await.unwrap_or_else(|error| panic!("{error}\n{}", server.log())).is_connected());
    let error = bridge(stranger).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}
