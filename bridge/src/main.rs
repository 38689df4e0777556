//! The `simple-ipc-bridge` program: channels between machines, from a command line.

mod arguments;
mod output;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use simple_ipc::{Error, ErrorKind, Result};
use simple_ipc_bridge::check::check;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Arguments;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too, on standard output and with status 0.
            let _nobody_reads = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let output = Arc::new(Output { json: arguments.json });
    let run = || {
        // One thread: a message passes several tasks, and none of them waits for another thread to wake.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::from_os("cannot start the runtime", error))?;
        runtime.block_on(run(arguments, &output))
    };
    run().unwrap_or_else(|error| output.failed(&error))
}

async fn run(arguments: Arguments, output: &Arc<Output>) -> Result<ExitCode> {
    let only_check = arguments.check;
    let told = Arc::clone(output);
    let builder = arguments.builder()?.on_progress(move |progress| told.progress(progress));
    if only_check {
        let findings = check(builder).await?;
        output.findings(&findings)?;
        let fine = findings.iter().all(|finding| finding.ok);
        return Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(output::status(ErrorKind::NotListening)) });
    }
    let failed = |error| Error::from_os("cannot watch for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let starting = builder.start();
    let bridge = tokio::select! {
        bridge = starting => bridge?,
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // A second signal ends it at once.
    tokio::select! {
        () = bridge.close() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}
