//! `simple-ipc post … - --lines`: a message for each line of standard input, over one session, with the replies in the
//! order of the lines.

use std::collections::VecDeque;
use std::io;
use std::process::ExitCode;

use simple_ipc::event_loop::{ClientId, Completion, Queue, Ticket};
use simple_ipc::{Channel, Error, ErrorKind, Message, Options, Result};

use crate::arguments::Post;
use crate::input::{Input, Source};
use crate::json;
use crate::line_messages::LineMessages;
use crate::os;
use crate::output::{self, Reader};
use crate::post::{self, TakenAs};
use crate::progress::Shown;
use crate::report::{Reporter, exit_status, say, to_json};

/// How many messages are under way at once.
const AT_ONCE: usize = 64;

pub(crate) fn run(channel: &Channel, post: &Post, options: &Options, reporter: Reporter) -> Result<ExitCode> {
    if post.data.as_ref().is_none_or(|data| data != "-") {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "cannot send lines of DATA: --lines reads standard input; give - for DATA",
        ));
    }
    let mut queue = Queue::new()?;
    let (client, met) = queue.connect(channel, options)?;
    let taken = TakenAs { bytes: false, text: post.text, strict: post.strict };
    let messages = LineMessages::new(taken, reporter);
    let mut run =
        Run { post, reporter, queue, client, pending: VecDeque::new(), sent: 0, failed: 0, status: 0, messages };
    // Until somebody listens nothing is read: `--wait` is to lose no line.
    run.finish(met)?;
    let mut input = Input::new(Source::Stdin, post.largest.bytes());
    let shown = Shown::reading(Source::Stdin.size(), post.json);
    loop {
        while run.pending.len() < AT_ONCE
            && let Some(line) = input.lines.line()?
        {
            run.take(input.lines.number, line);
        }
        run.queue.submit();
        if run.show()? == Reader::Gone {
            break;
        }
        if input.lines.has_line() {
            if run.pending.len() < AT_ONCE {
                continue;
            }
        } else if input.lines.ended && run.pending.is_empty() {
            break;
        }
        run.wait(&mut input)?;
    }
    drop(shown);
    if post.broadcast && run.sent > 0 {
        let flushed = run.queue.flush(run.client).and_then(|ticket| run.finish(ticket));
        if let Err(error) = flushed {
            run.fail(None, &error)?;
        }
    }
    if run.failed > 0 {
        reporter.note(&format!("{} of {} lines failed", run.failed, run.sent));
    }
    Ok(ExitCode::from(run.status))
}

/// A line that was read, until its reply has been printed.
struct Pending {
    number: u64,
    ticket: Option<Ticket>,
    outcome: Option<Result<Option<Message>>>,
}

struct Run<'a> {
    post: &'a Post,
    reporter: Reporter,
    queue: Queue,
    client: ClientId,
    pending: VecDeque<Pending>,
    sent: u64,
    failed: u64,
    /// The exit status of the first that failed.
    status: u8,
    messages: LineMessages,
}

impl Run<'_> {
    /// Sends a line. What is wrong with it is told in its turn.
    fn take(&mut self, number: u64, line: Vec<u8>) {
        if self.messages.passes_over(&line) {
            return;
        }
        self.sent += 1;
        let (ticket, outcome) = match self.send(number, line) {
            Ok(Some(ticket)) => (Some(ticket), None),
            Ok(None) => (None, Some(Ok(None))),
            Err(error) => (None, Some(Err(error))),
        };
        self.pending.push_back(Pending { number, ticket, outcome });
    }

    fn send(&mut self, number: u64, line: Vec<u8>) -> Result<Option<Ticket>> {
        let text = post::text(line, "the line")?;
        let message = self.messages.message(&text, number, "the line")?;
        if self.post.broadcast {
            return self.queue.broadcast(self.client, message);
        }
        let timeout = self.queue.timeout(self.client)?;
        self.queue.request(self.client, message, timeout).map(Some)
    }

    /// Prints what is done, in the order of the lines.
    fn show(&mut self) -> Result<Reader> {
        while self.pending.front().is_some_and(|pending| pending.outcome.is_some()) {
            let Some(Pending { number, outcome: Some(outcome), .. }) = self.pending.pop_front() else { break };
            let reader = match outcome {
                Ok(Some(reply)) if self.post.json => output::line(to_json(&json::body(&reply)))?,
                Ok(Some(reply)) => output::line(json::line(&reply))?,
                Ok(None) => Reader::There,
                Err(error) => self.fail(Some(number), &error)?,
            };
            if reader == Reader::Gone {
                return Ok(Reader::Gone);
            }
        }
        Ok(Reader::There)
    }

    /// Tells of a line that failed: with `--json` where its reply would stand, so that a reader can count.
    fn fail(&mut self, number: Option<u64>, error: &Error) -> Result<Reader> {
        self.failed += 1;
        if self.status == 0 {
            self.status = exit_status(error.kind());
        }
        if self.reporter.is_json() && !self.post.broadcast {
            return output::line(self.reporter.error_object(error, number));
        }
        let which = number.map(|number| format!("line {number}: ")).unwrap_or_default();
        say(&if self.reporter.is_json() {
            self.reporter.error_object(error, number)
        } else {
            format!("simple-ipc: {which}{}", self.reporter.text(error))
        });
        Ok(Reader::There)
    }

    /// Waits for an answer, or for more of the input where more can be sent.
    fn wait(&mut self, input: &mut Input) -> Result<()> {
        let reads = !input.lines.ended && self.pending.len() < AT_ONCE;
        let stdin = io::stdin();
        let ready = os::wait_for_answers_or_input(&self.queue, reads.then_some(&stdin))
            .map_err(|error| Error::from_os("cannot wait for answers and standard input", error))?;
        if ready {
            input.read()?;
        }
        let mut completions = Vec::new();
        self.queue.process(&mut completions)?;
        self.complete(completions);
        Ok(())
    }

    fn complete(&mut self, completions: Vec<Completion>) {
        for completion in completions {
            let mut pending = self.pending.iter_mut();
            if let Some(pending) = pending.find(|pending| pending.ticket == Some(completion.ticket)) {
                pending.outcome = Some(completion.result);
            }
        }
    }

    /// Waits for one call.
    fn finish(&mut self, ticket: Ticket) -> Result<()> {
        loop {
            let mut completions = Vec::new();
            self.queue.wait(None)?;
            self.queue.process(&mut completions)?;
            if let Some(at) = completions.iter().position(|completion| completion.ticket == ticket) {
                let finished = completions.swap_remove(at);
                self.complete(completions);
                return finished.result.map(drop);
            }
            self.complete(completions);
        }
    }
}
