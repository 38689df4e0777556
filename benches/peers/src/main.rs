//! Drives other Rust libraries as `benches/bare` drives the socket, and prints the same line of JSON:
//!
//! `peers-rust PEER WHAT --cpus SERVER,CLIENT --warmup SECONDS --seconds SECONDS [--bytes N]`
//!
//! The server is a process of its own, started by the client's.

mod iceoryx;
mod interprocess_socket;
mod ipc_channel_peer;
mod measure;
mod tarpc_peer;

use measure::{Plan, Role};

fn main() {
    let plan = Plan::from_arguments();
    measure::start_watchdog(&plan);
    measure::pin_to(match plan.role {
        Role::Server => plan.server_cpu,
        Role::Client => plan.client_cpu,
    });
    match (plan.peer.as_str(), plan.role) {
        ("iceoryx2-event" | "iceoryx2-busy", Role::Server) => iceoryx::serve(&plan),
        ("iceoryx2-event" | "iceoryx2-busy", Role::Client) => iceoryx::drive(&plan),
        ("interprocess", Role::Server) => interprocess_socket::serve(&plan),
        ("interprocess", Role::Client) => interprocess_socket::drive(&plan),
        ("ipc-channel", Role::Server) => ipc_channel_peer::serve(&plan),
        ("ipc-channel", Role::Client) => ipc_channel_peer::drive(&plan),
        ("tarpc", Role::Server) => tarpc_peer::serve(&plan),
        ("tarpc", Role::Client) => tarpc_peer::drive(&plan),
        (other, _) => measure::fail(&format!("no peer is called {other}")),
    }
}
