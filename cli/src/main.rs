//! The `simple-ipc` command: listen, post, list and ping channels from a shell.

mod arguments;
mod bench;
mod bridge;
mod channels;
mod clean;
mod closed_output;
mod command;
mod completion;
mod doctor;
mod documents;
mod ending;
mod input;
mod json;
mod limits;
mod line_messages;
mod lines;
mod listen;
mod os;
mod output;
mod ping;
mod post;
mod progress;
mod publish;
mod report;
mod signals;
mod stats;
mod stream;
mod style;
mod subscribe;
mod tap;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Verb};
use crate::report::{Reporter, UNEXPECTED_STATUS, VerbKind};

fn main() -> ExitCode {
    completion::answer_the_shell();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too, on standard output and with status 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(UNEXPECTED_STATUS));
        }
    };
    // The panic's own message is on standard error by then.
    catch_unwind(|| run(arguments)).unwrap_or(ExitCode::from(UNEXPECTED_STATUS))
}

fn run(Arguments { place, verb }: Arguments) -> ExitCode {
    let (reporter, result) = match verb {
        Verb::Listen(listen) => (Reporter::new(listen.json, VerbKind::Listen), listen::run(&place, listen)),
        Verb::Post(post) => (Reporter::new(post.json, VerbKind::Post), post::run(&place, post)),
        Verb::Stream(stream) => (Reporter::new(stream.json, VerbKind::Stream), stream::run(&place, stream)),
        Verb::Publish(publish) => (Reporter::new(publish.json, VerbKind::Listen), publish::run(&place, publish)),
        Verb::Subscribe(subscribe) => {
            (Reporter::new(subscribe.json, VerbKind::Subscribe), subscribe::run(&place, subscribe))
        }
        Verb::Ls(ls) => (Reporter::new(ls.json, VerbKind::Other), channels::run(&place, &ls)),
        Verb::Clean(clean) => (Reporter::new(clean.json, VerbKind::Other), clean::run(&place, &clean)),
        Verb::Ping(ping) => (Reporter::new(ping.json, VerbKind::Ping), ping::run(&place, ping)),
        Verb::Stats(stats) => (Reporter::new(stats.json, VerbKind::Ping), stats::run(&place, &stats)),
        Verb::Tap(tap) => (Reporter::new(tap.json, VerbKind::Tap), tap::run(&place, tap)),
        Verb::Bench(bench) => (Reporter::new(bench.json, VerbKind::Post), bench::run(&place, &bench)),
        Verb::Doctor(doctor) => (Reporter::new(doctor.json, VerbKind::Other), doctor::run(&place, &doctor)),
        Verb::Bridge(bridge) => (Reporter::new(false, VerbKind::Other), bridge::run(&place, bridge)),
        Verb::Generate(generate) => (Reporter::new(false, VerbKind::Other), documents::run(&generate.directory)),
    };
    result.unwrap_or_else(|error| reporter.error(&error))
}
