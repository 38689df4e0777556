//! Posts and subscribes in each way that does without tokio: to a listener that answers requests on `requests` with
//! themselves, to one that takes broadcasts on `broadcasts`, and to what is published on `publications`, which is 1, 2 and 3.
//! The directory of all is in `SIMPLE_IPC_DIR`.

use std::process::ExitCode;
use std::time::Duration;

use simple_ipc::event_loop::Queue;
use simple_ipc::{Channel, Message, Mode, Options, Result, blocking};

type Check = fn(&Options) -> Result<bool>;

fn posts(options: &Options) -> Result<bool> {
    let answer: String = blocking::post_uds_request_with("requests", "by itself", options)?;
    blocking::post_uds_broadcast_with("broadcasts", "by itself", options)?;
    Ok(answer == "by itself")
}

fn client(options: &Options) -> Result<bool> {
    let client = blocking::Client::connect(&Channel::uds("requests")?, options)?;
    client.ping()?;
    let answer: u32 = client.request(7)?;
    client.close()?;
    let client = blocking::Client::connect(&Channel::uds("broadcasts")?, options)?;
    for nth in 0..100 {
        client.broadcast(nth)?;
    }
    client.flush()?;
    client.close()?;
    Ok(answer == 7)
}

fn queue(options: &Options) -> Result<bool> {
    let mut queue = Queue::new()?;
    let channel = Channel::uds("requests")?;
    for nth in 0..10 {
        queue.post(&channel, Mode::Request, Message::json(&nth)?, options)?;
    }
    let mut answers = Vec::new();
    while queue.under_way() > 0 {
        queue.wait(None)?;
        queue.process(&mut answers)?;
    }
    let mut sum = 0;
    for answer in answers {
        sum += answer.result?.expect("a request has an answer").decode::<u32>()?;
    }
    Ok(sum == 45)
}

fn subscription(options: &Options) -> Result<bool> {
    let mut numbers = blocking::subscribe_uds_with::<u32>("publications", options)?;
    let taken = numbers.by_ref().take(3).map(|event| event.map(|event| event.data)).collect::<Result<Vec<_>>>()?;
    numbers.close();
    Ok(taken == [1, 2, 3])
}

#[expect(clippy::print_stdout, reason = "a test tells on standard output what came of it")]
fn main() -> ExitCode {
    // The listeners may be starting.
    let options = Options::new().wait(Duration::from_secs(60));
    let checks: [(&str, Check); 4] = [
        ("a request and a broadcast are posted without tokio", posts),
        ("a blocking client keeps its channels open without tokio", client),
        ("a queue of calls is driven without tokio", queue),
        ("what is published is taken without tokio", subscription),
    ];
    let mut failed = 0;
    for (title, check) in checks {
        match check(&options) {
            Ok(true) => println!("ok - {title}"),
            done => {
                failed += 1;
                println!("not ok - {title}: {done:?}");
            }
        }
    }
    println!("{} passed, {failed} failed", checks.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
