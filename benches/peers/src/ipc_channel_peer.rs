//! ipc-channel: a pair of its byte channels, its quickest. It has neither batching nor more than one message in flight
//! other than by sending on.

use ipc_channel::ipc::{bytes_channel, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};

use crate::measure::{fail, one_by_one, ready, run, Plan, Server, IN_FLIGHT};

type Ends = (IpcBytesSender, IpcBytesReceiver);

fn or_fail<T, E: std::fmt::Debug>(attempted: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| fail(&format!("cannot {attempted}: {error:?}")))
}

pub fn serve(plan: &Plan) {
    let bootstrap: IpcSender<Ends> = or_fail("connect", IpcSender::connect(plan.address.clone()));
    let (request_sender, requests) = or_fail("make a channel", bytes_channel());
    let (replies, reply_receiver) = or_fail("make a channel", bytes_channel());
    or_fail("hand over the channels", bootstrap.send((request_sender, reply_receiver)));
    ready();
    let reply = vec![0; plan.reply_bytes()];
    while let Ok(request) = requests.recv() {
        if !plan.is("oneway") || request[0] == 1 {
            or_fail("answer", replies.send(&reply));
        }
    }
}

pub fn drive(plan: &Plan) {
    let (bootstrap, name) = or_fail("make a server", IpcOneShotServer::<Ends>::new());
    let server = Server::start(&name);
    let (_, (requests, replies)) = or_fail("accept", bootstrap.accept());
    let mut request = vec![0; plan.bytes];
    let ask = |request: &[u8]| {
        or_fail("send", requests.send(request));
        or_fail("receive", replies.recv());
    };
    run(plan, &server, |for_time, samples| match plan.what.as_str() {
        "pipeline" => {
            let stop = std::time::Instant::now() + for_time;
            for _ in 0..IN_FLIGHT {
                or_fail("send", requests.send(&request));
            }
            let mut count = 0;
            while std::time::Instant::now() < stop {
                ask(&request);
                count += 1;
            }
            for _ in 0..IN_FLIGHT {
                or_fail("receive", replies.recv());
            }
            count + IN_FLIGHT as u64
        }
        "oneway" => {
            let stop = std::time::Instant::now() + for_time;
            request[0] = 0;
            let mut count = 1;
            while count % 64 != 0 || std::time::Instant::now() < stop {
                or_fail("send", requests.send(&request));
                count += 1;
            }
            request[0] = 1;
            ask(&request);
            count
        }
        _ => one_by_one(for_time, samples, || ask(&request)),
    });
}
