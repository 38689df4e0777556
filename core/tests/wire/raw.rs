//! A connection on which a test says every byte itself, and the bytes of native sessions.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use simple_ipc::blocking::Listener;

pub(crate) const REQUEST: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const ERROR: u8 = 3;
pub(crate) const BROADCAST: u8 = 4;
pub(crate) const ACK: u8 = 5;
pub(crate) const CANCEL: u8 = 6;
pub(crate) const PING: u8 = 7;
pub(crate) const PONG: u8 = 8;
pub(crate) const GOAWAY: u8 = 9;
pub(crate) const SUBSCRIBE: u8 = 16;
pub(crate) const GAP: u8 = 17;
pub(crate) const EVENT: u8 = 18;
pub(crate) const DATA: u8 = 19;
pub(crate) const END: u8 = 20;
pub(crate) const CREDIT: u8 = 21;
pub(crate) const SHARE: u8 = 22;

pub(crate) const EXCLUSIVE: u8 = 1;
pub(crate) const MULTIPLEXED: u8 = 2;
pub(crate) const REQUEST_LISTENER: u8 = 0x11;

/// Longer than anything takes: a receive that waits so long waits for ever.
pub(crate) const HANGS: Duration = Duration::from_secs(60);

trait Duplex: Read + Write + Send {
    fn half_close(&self);
    fn stop_reading(&self);
}

#[cfg(unix)]
impl Duplex for UnixStream {
    fn half_close(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn stop_reading(&self) {
        self.shutdown(Shutdown::Read).unwrap();
    }
}

impl Duplex for TcpStream {
    fn half_close(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn stop_reading(&self) {
        self.shutdown(Shutdown::Read).unwrap();
    }
}

pub(crate) struct Raw(Box<dyn Duplex>);

impl Raw {
    #[cfg(unix)]
    pub(crate) fn unix(path: &Path) -> Raw {
        Raw::over(UnixStream::connect(path).unwrap())
    }

    #[cfg(unix)]
    pub(crate) fn over(stream: UnixStream) -> Raw {
        stream.set_read_timeout(Some(HANGS)).unwrap();
        stream.set_write_timeout(Some(HANGS)).unwrap();
        Raw(Box::new(stream))
    }

    pub(crate) fn tcp(port: u16) -> Raw {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(HANGS)).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw(Box::new(stream))
    }

    /// Connects to a listener, whatever it listens on.
    pub(crate) fn to(listener: &Listener) -> Raw {
        #[cfg(unix)]
        if let Some(path) = listener.path() {
            return Raw::unix(path);
        }
        Raw::tcp(listener.port().unwrap())
    }

    /// A native session that has been greeted both ways.
    pub(crate) fn session(listener: &Listener, role: u8) -> Raw {
        let mut raw = Raw::to(listener);
        raw.send(&hello(role));
        raw.receive(16);
        raw
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends to a listener that may close meanwhile.
    pub(crate) fn send_what_goes(&mut self, bytes: &[u8]) {
        let _closed_meanwhile = self.0.write_all(bytes);
    }

    pub(crate) fn half_close(&mut self) {
        self.0.half_close();
    }

    /// Takes nothing more: on a Unix socket what the peer sends from now on fails.
    pub(crate) fn stop_reading(&mut self) {
        self.0.stop_reading();
    }

    pub(crate) fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{count} bytes did not come: {error}"));
        bytes
    }

    /// Everything up to the end. That the peer closed with bytes unread is an end, too.
    pub(crate) fn receive_to_end(&mut self) -> Vec<u8> {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            match self.0.read(&mut piece) {
                Ok(0) => return all,
                Ok(count) => all.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return all,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("the end did not come: {error}"),
            }
        }
    }

    pub(crate) fn frame(&mut self) -> Frame {
        let head = self.receive(16);
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        assert_eq!(head[6..8], [0, 0]);
        let body = self.receive(word(0) as usize);
        Frame { kind: head[4], flags: head[5], id: word(8), argument: word(12), body }
    }

    /// The session's last words: an error frame about the session with this code, then the end.
    pub(crate) fn expect_dismissal(&mut self, code: &str) {
        let frame = self.frame();
        assert_eq!((frame.kind, frame.id, frame.code()), (ERROR, 0, code.to_owned()));
        assert_eq!(self.receive_to_end(), b"");
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) id: u32,
    pub(crate) argument: u32,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// The code of an error frame, whose body has two members and no more.
    pub(crate) fn code(&self) -> String {
        assert_eq!((self.kind, self.flags, self.argument), (ERROR, 0, 0), "{self:?}");
        let body: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body.keys().collect::<Vec<_>>(), ["code", "message"]);
        assert!(body["message"].as_str().is_some_and(|text| !text.contains('\n')));
        body["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn is(&self, kind: u8, id: u32) -> bool {
        (self.kind, self.id) == (kind, id)
    }
}

pub(crate) fn hello(role: u8) -> Vec<u8> {
    [b"\xf5SIP\x01", &[role][..], &[0; 6], &(64u32 << 20).to_le_bytes()].concat()
}

/// The hello of a listener that knows subscribers.
pub(crate) fn knowing_hello() -> Vec<u8> {
    [b"\xf5SIP\x01", &[0x12][..], &[0, 0, 1, 0, 0, 0], &(64u32 << 20).to_le_bytes()].concat()
}

/// The hello of a client that knows streams.
pub(crate) fn streaming_hello(role: u8) -> Vec<u8> {
    let mut hello = hello(role);
    hello[8] = 2;
    hello
}

/// The hello of a client that knows publications.
pub(crate) fn subscribers_hello(role: u8) -> Vec<u8> {
    let mut hello = hello(role);
    hello[8] = 1;
    hello
}

pub(crate) fn frame(kind: u8, flags: u8, id: u32, argument: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&len[..], &[kind, flags, 0, 0], &id.to_le_bytes(), &argument.to_le_bytes(), body].concat()
}

pub(crate) fn request(id: u32, body: &str) -> Vec<u8> {
    frame(REQUEST, 0, id, 0, body.as_bytes())
}

pub(crate) fn broadcast(id: u32, ack_wanted: bool, body: &str) -> Vec<u8> {
    frame(BROADCAST, if ack_wanted { 2 } else { 0 }, id, 0, body.as_bytes())
}

pub(crate) fn bare(kind: u8, id: u32) -> Vec<u8> {
    frame(kind, 0, id, 0, b"")
}
