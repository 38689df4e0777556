//! `simple-ipc stream`: items to a listener, and from it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use simple_ipc::event_loop::{ItemStream, NextItem};
use simple_ipc::{Error, ErrorKind, Message, MessageKind, Result};

use crate::arguments::{Place, Stream};
use crate::input::{Input, Source};
use crate::line_messages::LineMessages;
use crate::output::{self, Reader};
use crate::post::{self, TakenAs, reachable_channel};
use crate::progress::Shown;
use crate::report::{Reporter, VerbKind, to_json};
use crate::{closed_output, json, os};

/// How many bytes of standard input are one item, at most.
const PIECE: usize = 64 << 10;
/// How many bytes of items are printed at once, at most; and after how many items it is looked whether one can be sent.
const GATHER: usize = 64 << 10;
const IN_A_ROW: usize = 256;

pub(crate) fn run(place: &Place, stream: Stream) -> Result<ExitCode> {
    let channel = reachable_channel("open a stream at", &stream.at.channel)?;
    closed_output::check("the items")?;
    let reporter = Reporter::new(stream.json, VerbKind::Stream);
    let options = stream.reach.apply(stream.largest.apply(place.options()), stream.timeout);
    let options = match stream.idle_timeout {
        Some(limit) => limit.apply_idle(options),
        None => options,
    };
    let reads_input = stream.bytes || stream.items.as_deref().is_some_and(|path| path == Path::new("-"));
    if reads_input && stream.data.as_ref().is_some_and(|data| data == "-") {
        let text = "cannot read DATA from standard input, which is read for items; give DATA itself";
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    let taken = TakenAs { bytes: false, text: stream.text, strict: stream.strict };
    let opening = post::message(stream.data.as_deref(), taken, reporter)?;
    let items = match &stream.items {
        Some(path) => Some(Items::Lines {
            input: Input::new(Source::open(path)?, stream.largest.bytes()),
            messages: LineMessages::new(taken, reporter),
        }),
        None if stream.bytes => Some(Items::Pieces { source: Source::Stdin, ended: false }),
        None => None,
    };
    let shown = Shown::reading(items.as_ref().and_then(|items| items.source().size()), stream.json);
    let opened = Arc::new(ItemStream::begin(&channel, &opening, &options)?);
    if items.is_none() {
        opened.end()?;
    }
    let closing = Arc::clone(&opened);
    // Not only at the next item, which may never come.
    output::watch(move || closing.close())?;
    let mut run = Run { stream: &opened, json: stream.json, printed: Vec::new(), items, unsent: None, reporter };
    let ended = run.run();
    drop(shown);
    ended
}

const NOT_ALL: &str = "the listener ended the stream and did not take all items";

/// Where the items come from that are sent.
enum Items {
    Lines { input: Input, messages: LineMessages },
    Pieces { source: Source, ended: bool },
}

/// What there is to send.
enum Given {
    Item(Message),
    /// More is to be read first.
    NotYet,
    Ended,
}

impl Items {
    fn source(&self) -> &Source {
        match self {
            Items::Lines { input, .. } => input.source(),
            Items::Pieces { source, .. } => source,
        }
    }

    /// The next item of what has been read.
    fn next(&mut self) -> Result<Given> {
        let (input, messages) = match self {
            Items::Pieces { ended: true, .. } => return Ok(Given::Ended),
            Items::Pieces { .. } => return Ok(Given::NotYet),
            Items::Lines { input, messages } => (input, messages),
        };
        while let Some(line) = input.lines.line()? {
            if !messages.passes_over(&line) {
                let number = input.lines.number;
                let what = format!("line {number}");
                let text = post::text(line, &what)?;
                return messages.message(&text, number, &what).map(Given::Item);
            }
        }
        Ok(if input.lines.ended { Given::Ended } else { Given::NotYet })
    }

    /// Whether something was read that was not given yet.
    fn has_more(&self) -> bool {
        match self {
            Items::Lines { input, .. } => !input.lines.is_empty(),
            Items::Pieces { .. } => false,
        }
    }

    /// Reads once. It waits unless poll has said that it does not block.
    fn read(&mut self) -> Result<Option<Message>> {
        match self {
            Items::Lines { input, .. } => input.read().map(|()| None),
            Items::Pieces { source, ended } => {
                let mut piece = vec![0; PIECE];
                match source.read(&mut piece)? {
                    Some(0) => *ended = true,
                    Some(count) => {
                        piece.truncate(count);
                        return Ok(Some(Message::bytes(piece)));
                    }
                    None => {}
                }
                Ok(None)
            }
        }
    }
}

struct Run<'a> {
    stream: &'a ItemStream,
    json: bool,
    /// Items that have come and are not printed yet.
    printed: Vec<u8>,
    /// Until the last one was sent.
    items: Option<Items>,
    /// An item for which there was no room.
    unsent: Option<Message>,
    reporter: Reporter,
}

impl Run<'_> {
    fn run(&mut self) -> Result<ExitCode> {
        loop {
            match self.take() {
                Ok(Taken::Ended) => return self.end(),
                Ok(Taken::ReaderHasGone) => {
                    self.stream.close();
                    return Ok(ExitCode::SUCCESS);
                }
                Ok(Taken::More) => {
                    self.send()?;
                    continue;
                }
                Ok(Taken::All) => {}
                Err(error) => {
                    output::write(&self.printed)?;
                    return Err(error);
                }
            }
            self.send()?;
            let wants_input = self.unsent.is_none();
            let source = self.items.as_ref().filter(|_| wants_input).map(Items::source);
            let readable = os::wait_for_items_or_input(self.stream, source)
                .map_err(|error| Error::from_os("cannot wait for items", error))?;
            if readable && let Some(items) = &mut self.items {
                self.unsent = items.read()?;
            }
        }
    }

    /// Prints what has come.
    fn take(&mut self) -> Result<Taken> {
        let mut taken = Taken::More;
        for _ in 0..IN_A_ROW {
            match self.stream.try_next()? {
                NextItem::Item(item) => self.print(&item),
                NextItem::NotYet => {
                    taken = Taken::All;
                    break;
                }
                _ => {
                    taken = Taken::Ended;
                    break;
                }
            }
            if self.printed.len() >= GATHER && self.write()? == Reader::Gone {
                return Ok(Taken::ReaderHasGone);
            }
        }
        if self.write()? == Reader::Gone { Ok(Taken::ReaderHasGone) } else { Ok(taken) }
    }

    fn print(&mut self, item: &Message) {
        if self.json {
            self.printed.extend_from_slice(to_json(&json::body(item)).as_bytes());
        } else if item.kind() == MessageKind::Bytes {
            return self.printed.extend_from_slice(item.data());
        } else {
            self.printed.extend_from_slice(json::line(item).as_bytes());
        }
        self.printed.push(b'\n');
    }

    fn write(&mut self) -> Result<Reader> {
        if self.printed.is_empty() {
            return Ok(Reader::There);
        }
        let reader = output::write(&self.printed)?;
        self.printed.clear();
        Ok(reader)
    }

    /// Sends items for as long as there are some and there is room.
    fn send(&mut self) -> Result<()> {
        while let Some(items) = &mut self.items {
            let item = match self.unsent.take().map_or_else(|| items.next(), |item| Ok(Given::Item(item)))? {
                Given::Item(item) => item,
                Given::NotYet => return Ok(()),
                Given::Ended => {
                    self.items = None;
                    return self.stream.end();
                }
            };
            match self.stream.try_send(&item) {
                Ok(true) => {}
                Ok(false) => {
                    self.unsent = Some(item);
                    return Ok(());
                }
                // What it says to that comes with the items.
                Err(error) if error.kind() == ErrorKind::Closed => {
                    self.items = None;
                    self.reporter.note(NOT_ALL);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<ExitCode> {
        if self.unsent.is_some() || self.items.as_ref().is_some_and(Items::has_more) {
            self.reporter.note(NOT_ALL);
        }
        Ok(ExitCode::SUCCESS)
    }
}

enum Taken {
    /// All that has come.
    All,
    /// So much that it is time to send.
    More,
    Ended,
    ReaderHasGone,
}
