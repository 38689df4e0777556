//! interprocess: its local socket is a stream without messages, so this is what its users write themselves: fixed sizes,
//! and for what is in flight together one write (batched as `benches/bare` does).

use std::io::{Read, Write};

use interprocess::local_socket::{prelude::*, GenericNamespaced, ListenerOptions, Stream};

use crate::measure::{fail, one_by_one, ready, run, Plan, Server, IN_FLIGHT};

const BATCH: usize = 32 << 10;

fn or_fail<T, E: std::fmt::Display>(attempted: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| fail(&format!("cannot {attempted}: {error}")))
}

pub fn serve(plan: &Plan) {
    let name = or_fail("name the socket", plan.address.as_str().to_ns_name::<GenericNamespaced>());
    let listener = or_fail("listen", ListenerOptions::new().name(name).create_sync());
    ready();
    let mut stream = or_fail("accept", listener.accept());
    if plan.is("oneway") || plan.is("pipeline") {
        serve_batches(plan, &mut stream);
    }
    let mut request = vec![0; plan.bytes];
    let reply = vec![0; plan.reply_bytes()];
    while stream.read_exact(&mut request).is_ok() && stream.write_all(&reply).is_ok() {}
}

/// What one read brought is answered with one write; one-way, only a message that begins with 1 is answered.
fn serve_batches(plan: &Plan, stream: &mut Stream) -> ! {
    let mut buffer = vec![0; if plan.is("oneway") { BATCH } else { IN_FLIGHT * plan.bytes }];
    let mut have = 0;
    loop {
        let got = stream.read(&mut buffer[have..]).unwrap_or(0);
        if got == 0 {
            std::process::exit(0);
        }
        have += got;
        let whole = have - have % plan.bytes;
        if plan.is("pipeline") {
            or_fail("answer", stream.write_all(&buffer[..whole]));
        } else if buffer[..whole].chunks_exact(plan.bytes).any(|message| message[0] == 1) {
            or_fail("answer", stream.write_all(&[0; 8]));
        }
        buffer.copy_within(whole..have, 0);
        have -= whole;
    }
}

pub fn drive(plan: &Plan) {
    let address = plan.fresh_name();
    let server = Server::start(&address);
    let name = or_fail("name the socket", address.as_str().to_ns_name::<GenericNamespaced>());
    let mut stream = or_fail("connect", Stream::connect(name));
    let request = vec![0; plan.bytes];
    let mut reply = vec![0; plan.reply_bytes()];
    run(plan, &server, |for_time, samples| match plan.what.as_str() {
        "pipeline" => {
            let requests = vec![0; IN_FLIGHT * plan.bytes];
            let mut replies = vec![0; IN_FLIGHT * plan.bytes];
            IN_FLIGHT as u64
                * one_by_one(for_time, samples, || {
                    or_fail("send", stream.write_all(&requests));
                    or_fail("receive", stream.read_exact(&mut replies));
                })
        }
        "oneway" => {
            let stop = std::time::Instant::now() + for_time;
            let mut batch = vec![0; BATCH];
            let mut count = 0;
            while batch[0] == 0 {
                batch.fill(0);
                batch[0] = u8::from(std::time::Instant::now() >= stop);
                or_fail("send", stream.write_all(&batch));
                count += (BATCH / plan.bytes) as u64;
            }
            or_fail("receive", stream.read_exact(&mut [0; 8]));
            count
        }
        _ => one_by_one(for_time, samples, || {
            or_fail("send", stream.write_all(&request));
            or_fail("receive", stream.read_exact(&mut reply));
        }),
    });
}
