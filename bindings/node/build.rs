//! Link arguments of a Node-API add-on.

fn main() {
    napi_build::setup();
}
