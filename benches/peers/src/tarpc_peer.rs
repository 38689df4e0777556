//! tarpc over a Unix socket with bincode, on a runtime of one thread, which was its quicker one.

use futures::stream::{FuturesUnordered, StreamExt};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport::unix};

use crate::measure::{fail, one_by_one, ready, run, Plan, Server, IN_FLIGHT};

#[tarpc::service]
trait Echo {
    async fn echo(body: Vec<u8>, reply_bytes: u32) -> Vec<u8>;
}

#[derive(Clone)]
struct Answers;

impl Echo for Answers {
    async fn echo(self, _: context::Context, mut body: Vec<u8>, reply_bytes: u32) -> Vec<u8> {
        body.truncate(reply_bytes as usize);
        body
    }
}

fn or_fail<T, E: std::fmt::Display>(attempted: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| fail(&format!("cannot {attempted}: {error}")))
}

fn runtime() -> tokio::runtime::Runtime {
    or_fail("start a runtime", tokio::runtime::Builder::new_current_thread().enable_all().build())
}

pub fn serve(plan: &Plan) {
    runtime().block_on(async {
        let mut incoming = or_fail("listen", unix::listen(&plan.address, Bincode::default).await);
        incoming.config_mut().max_frame_length(usize::MAX);
        ready();
        while let Some(Ok(transport)) = incoming.next().await {
            let requests = BaseChannel::with_defaults(transport).execute(Answers.serve());
            tokio::spawn(requests.for_each(|answer| async {
                tokio::spawn(answer);
            }));
        }
    });
}

pub fn drive(plan: &Plan) {
    let folder = std::env::temp_dir().join(plan.fresh_name());
    or_fail("make a scratch folder", std::fs::create_dir(&folder));
    let address = folder.join("socket");
    let server = Server::start(&address.to_string_lossy());
    let runtime = runtime();
    let client = runtime.block_on(async {
        let mut connecting = unix::connect(&address, Bincode::default);
        connecting.config_mut().max_frame_length(usize::MAX);
        let config = client::Config::default();
        EchoClient::new(config, or_fail("connect", connecting.await)).spawn()
    });
    let body = vec![0; plan.bytes];
    let bytes = plan.reply_bytes() as u32;
    let ask = || async { or_fail("request", client.echo(context::current(), body.clone(), bytes).await) };
    run(plan, &server, |for_time, samples| {
        if !plan.is("pipeline") {
            return one_by_one(for_time, samples, || drop(runtime.block_on(ask())));
        }
        runtime.block_on(async {
            let stop = std::time::Instant::now() + for_time;
            let mut in_flight: FuturesUnordered<_> = (0..IN_FLIGHT).map(|_| ask()).collect();
            let mut count = 0;
            while in_flight.next().await.is_some() {
                count += 1;
                if std::time::Instant::now() < stop {
                    in_flight.push(ask());
                }
            }
            count
        })
    });
    drop(server);
    let _ = std::fs::remove_dir_all(&folder);
}
