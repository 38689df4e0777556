//! iceoryx2 request-response over slices, where the client writes into shared memory and the server copies the body out
//! and a reply in, as the others do. `iceoryx2-event` sleeps in a listener until the other side notifies it;
//! `iceoryx2-busy` asks again and again, which keeps both processors at 100 % whether there are messages or not.

use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::*;

use crate::measure::{fail, one_by_one, ready, run, Plan, Server};

fn or_fail<T, E: std::fmt::Debug>(attempted: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| fail(&format!("cannot {attempted}: {error:?}")))
}

/// One direction's events.
struct Bell {
    notifier: Notifier<ipc::Service>,
    listener: Listener<ipc::Service>,
}

impl Bell {
    fn new(node: &Node<ipc::Service>, rings: &str, hears: &str) -> Self {
        let event = |name: &str| {
            let name = or_fail("name an event", ServiceName::new(name));
            or_fail("open an event", node.service_builder(&name).event().open_or_create())
        };
        Bell {
            notifier: or_fail("make a notifier", event(rings).notifier_builder().create()),
            listener: or_fail("make a listener", event(hears).listener_builder().create()),
        }
    }

    fn ring(&self) {
        or_fail("notify", self.notifier.notify());
    }

    fn wait(&mut self) {
        or_fail("wait", self.listener.blocking_wait(|_| {}));
    }
}

struct Ends {
    node: Node<ipc::Service>,
    service: iceoryx2::service::port_factory::request_response::PortFactory<ipc::Service, [u8], (), [u8], ()>,
}

fn open(address: &str) -> Ends {
    set_log_level(LogLevel::Error);
    let node = or_fail("make a node", NodeBuilder::new().create::<ipc::Service>());
    let name = or_fail("name the service", ServiceName::new(address));
    let service = or_fail("open the service", node.service_builder(&name).request_response::<[u8], [u8]>().open_or_create());
    Ends { node, service }
}

fn sleeps(plan: &Plan) -> bool {
    plan.peer == "iceoryx2-event"
}

pub fn serve(plan: &Plan) {
    let ends = open(&plan.address);
    let server = or_fail("make a server", ends.service.server_builder().initial_max_slice_len(plan.reply_bytes()).create());
    let mut bell = sleeps(plan)
        .then(|| Bell::new(&ends.node, &format!("{}-replies", plan.address), &format!("{}-requests", plan.address)));
    ready();
    let mut body = vec![0; plan.bytes];
    let reply = vec![0; plan.reply_bytes()];
    loop {
        while let Some(request) = or_fail("receive", server.receive()) {
            body.copy_from_slice(request.payload());
            let response = or_fail("loan a reply", request.loan_slice_uninit(reply.len()));
            or_fail("answer", response.write_from_slice(&reply).send());
            if let Some(bell) = &bell {
                bell.ring();
            }
        }
        match &mut bell {
            Some(bell) => bell.wait(),
            None => std::hint::spin_loop(),
        }
    }
}

pub fn drive(plan: &Plan) {
    let address = plan.fresh_name();
    let server = Server::start(&address);
    let ends = open(&address);
    let client = or_fail("make a client", ends.service.client_builder().initial_max_slice_len(plan.bytes).create());
    let mut bell =
        sleeps(plan).then(|| Bell::new(&ends.node, &format!("{address}-requests"), &format!("{address}-replies")));
    let body = vec![0; plan.bytes];
    let mut reply = vec![0; plan.reply_bytes()];
    run(plan, &server, |for_time, samples| {
        one_by_one(for_time, samples, || {
            let request = or_fail("loan a request", client.loan_slice_uninit(body.len()));
            let pending = or_fail("send", request.write_from_slice(&body).send());
            if let Some(bell) = &bell {
                bell.ring();
            }
            loop {
                if let Some(response) = or_fail("receive", pending.receive()) {
                    reply.copy_from_slice(response.payload());
                    return;
                }
                match &mut bell {
                    Some(bell) => bell.wait(),
                    None => std::hint::spin_loop(),
                }
            }
        })
    });
}
