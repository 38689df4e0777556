//! What every test here needs: a server, directories that stand for machines, bridges, and an end if it hangs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simple_ipc::{Channel, Options};
use simple_ipc_bridge::{Bridge, Builder, Progress};
use tempfile::TempDir;

/// How long anything may take before a test says that it hangs.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(90);

/// A NATS server of the test's own.
pub(crate) struct Server {
    child: Option<Child>,
    directory: TempDir,
    port: u16,
    scheme: &'static str,
}

impl Server {
    /// With these lines of configuration.
    pub(crate) fn with(configuration: &str) -> Server {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("nats.conf"), configuration).unwrap();
        let scheme = if configuration.contains("tls") { "tls" } else { "nats" };
        let mut server = Server { child: None, directory, port: 0, scheme };
        server.start();
        server
    }

    pub(crate) fn new() -> Server {
        Server::with("")
    }

    /// Starts it, on the port that it had if it ran before.
    pub(crate) fn start(&mut self) {
        let folder = self.directory.path().to_str().unwrap().to_owned();
        let configuration = self.directory.path().join("nats.conf");
        let ports = |pid: u32| self.directory.path().join(format!("nats-server_{pid}.ports"));
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let log = std::fs::File::create(self.directory.path().join("nats.log")).unwrap();
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port, "--ports_file_dir", &folder, "-c"])
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("nats-server is on PATH: make setup brings it");
        let file = ports(child.id());
        self.child = Some(child);
        let found = until("the server", || {
            let text = std::fs::read_to_string(&file).ok()?;
            let value: serde_json::Value = serde_json::from_str(&text).ok()?;
            value["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
        });
        self.port = found;
        until("the server's port", || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("nats.log")).unwrap_or_default()
    }

    /// Kills it. Its port stays free for it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id();
        signal(pid, name);
        if name == "STOP" {
            // Its threads stop one after another.
            let is_stopped = || {
                let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
                threads.all(|thread| {
                    let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap_or_default();
                    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
                })
            };
            until("the stop", || is_stopped().then_some(()));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _it_has_ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// Sends a signal to a process of this test.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A directory that stands for a machine.
pub(crate) struct Machine(TempDir);

impl Machine {
    pub(crate) fn new() -> Machine {
        Machine(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Options of calls and listeners there. A post waits for its channel to appear.
    pub(crate) fn options(&self) -> Options {
        Options::new().directory(self.path()).wait(WATCHDOG).timeout(WATCHDOG)
    }

    /// A bridge of this machine.
    pub(crate) fn bridge(&self, url: &str) -> Builder {
        Bridge::builder(url).directory(self.path())
    }

    /// Waits until somebody listens on the channel there.
    pub(crate) async fn listened_on(&self, channel: &str) {
        let channel: Channel = channel.parse().unwrap();
        eventually("a listener", || simple_ipc::channel_info(&channel, &self.options()).unwrap().is_some()).await;
    }
}

/// What a bridge has told.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Progress>>>);

impl Told {
    pub(crate) fn hears(&self, builder: Builder) -> Builder {
        let told = Arc::clone(&self.0);
        builder.on_progress(move |progress| told.lock().unwrap().push(progress.clone()))
    }

    pub(crate) fn all(&self) -> Vec<Progress> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until it has told something of this kind.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Progress) -> bool) {
        eventually(what, || self.all().iter().any(&is)).await;
    }
}

/// Looks again and again, in a thread that may block.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < WATCHDOG, "hangs: waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Looks again and again, in a task.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WATCHDOG, "hangs: waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A run of the program `simple-ipc-bridge`.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    /// Starts it with these arguments, on this machine.
    pub(crate) fn start(machine: &Machine, arguments: &[&str]) -> Program {
        let mut child = command(machine)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Program { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on standard error that holds this text.
    pub(crate) fn says(&self, text: &str) -> String {
        loop {
            let line =
                self.lines.recv_timeout(WATCHDOG).unwrap_or_else(|_| panic!("hangs: waited in vain for {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it with SIGTERM; its exit status.
    pub(crate) fn close(mut self) -> Option<i32> {
        signal(self.pid(), "TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _it_has_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The program, told where this machine's channels are.
pub(crate) fn command(machine: &Machine) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simple-ipc-bridge"));
    command.env("SIMPLE_IPC_DIR", machine.path()).env_remove("SIMPLE_IPC_BRIDGE_TOKEN");
    command.env_remove("SIMPLE_IPC_BRIDGE_PASSWORD");
    command
}

/// A file of the test's.
pub(crate) fn file(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path
}
