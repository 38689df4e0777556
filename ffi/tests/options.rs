//! Every option of the core can be set from C and from C++.

use std::fs;
use std::path::Path;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).expect("the file is there")
}

/// The names of the core's options.
fn options() -> Vec<String> {
    let source = read("core/src/options.rs");
    let setters = source.lines().filter_map(|line| line.trim().strip_prefix("pub fn ")?.split_once("(mut self"));
    setters.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_option_of_the_core_can_be_set_from_c_and_from_cpp() {
    let (c, cpp) = (read("include/simple_ipc.h"), read("include/simple_ipc.hpp"));
    let options = options();
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        let in_c = match option.as_str() {
            // There it is a value of the timeout.
            "no_timeout" => vec!["sipc_options_set_timeout_ms".to_owned()],
            "peers" => ["same_user", "user", "anyone"].map(|who| format!("sipc_options_allow_{who}")).to_vec(),
            "on_handler_failure" => vec!["sipc_options_on_handler_failure".to_owned()],
            // A call that is to be given up is an asynchronous one.
            "cancellation" => vec!["sipc_operation_cancel".to_owned()],
            name => vec![format!("sipc_options_set_{name}")],
        };
        for function in in_c {
            let declared = ["(", "_ms(", "_us("].iter().any(|end| c.contains(&format!("{function}{end}")));
            assert!(declared, "the option {option} has no {function} in include/simple_ipc.h");
            let called = ["", "_ms", "_us"].iter().any(|end| cpp.contains(&format!("{function}{end}")));
            assert!(called, "the option {option} does not call {function} in include/simple_ipc.hpp");
        }
    }
}
