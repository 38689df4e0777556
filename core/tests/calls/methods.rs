//! Handlers that are tables of functions, and calls of them.

use serde::Deserialize;
use serde_json::{Value, json};
use simple_ipc::{Channel, Client, ErrorKind, HandlerFailure, Methods, blocking};

use crate::support::Scratch;

#[derive(Deserialize)]
struct Scale {
    value: i64,
    #[serde(default = "two")]
    by: i64,
}

fn two() -> i64 {
    2
}

fn table() -> blocking::Methods {
    blocking::Methods::new()
        .method("add", |(a, b): (i64, i64)| Ok(a + b))
        .method("scale", |scale: Scale| Ok(scale.value * scale.by))
        .method("nothing", |(): ()| Ok(()))
        .method("refuse", |(): ()| -> simple_ipc::HandlerResult<()> {
            Err(HandlerFailure::new("not today").code("not_today").into())
        })
}

#[test]
fn a_method_is_called_with_its_params() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let listener = blocking::listen_uds_request_with("calc", &options, table().handler()).unwrap();
    let calc = blocking::Client::connect(&Channel::uds("calc").unwrap(), &options).unwrap();
    assert_eq!(calc.call::<i64>("add", (1, 2)).unwrap(), 3);
    assert_eq!(calc.call::<i64>("add", [1, 2]).unwrap(), 3);
    assert_eq!(calc.call::<i64>("scale", json!({"value": 3})).unwrap(), 6);
    assert_eq!(calc.call::<i64>("scale", json!({"value": 3, "by": 5})).unwrap(), 15);
    calc.call::<()>("nothing", [(); 0]).unwrap();
    // As a program without this convention's help does it.
    let plain = json!({"method": "add", "params": [1, 2], "id": 1, "jsonrpc": "2.0"});
    assert_eq!(calc.request::<i64>(plain).unwrap(), 3);
    calc.request::<()>(json!({"method": "nothing"})).unwrap();
    listener.close().unwrap();
}

#[test]
fn what_cannot_be_called_is_told_by_codes_of_its_own() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let listener = blocking::listen_uds_request_with("calc", &options, table().handler()).unwrap();
    let calc = blocking::Client::connect(&Channel::uds("calc").unwrap(), &options).unwrap();
    let refused = |message: &Value, code: &str, method: Option<&str>| {
        let error = calc.request::<Value>(message).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HandlerFailed, "{message}");
        assert_eq!(error.handler_code(), Some(code), "{message}");
        let data = error.handler_data().map(|text| serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(data, method.map(|method| json!({ "method": method })), "{message}");
        error.to_string()
    };
    for method in ["", "sub", "Add", "add "] {
        refused(&json!({"method": method, "params": [1, 2]}), "method_not_found", Some(method));
    }
    for params in [json!([]), json!([1]), json!([1, 2, 3]), json!([1, "x"]), json!([1.5, 2]), json!({"a": 1, "b": 2})] {
        refused(&json!({"method": "add", "params": params}), "invalid_params", Some("add"));
    }
    refused(&json!({"method": "add"}), "invalid_params", Some("add"));
    let text = refused(&json!({"method": "scale", "params": {"value": "x"}}), "invalid_params", Some("scale"));
    assert!(text.contains("params.value"), "{text}");
    for message in
        [json!(null), json!(1), json!("add"), json!([]), json!({}), json!({"method": 1}), json!({"method": null})]
    {
        refused(&message, "invalid_request", None);
    }
    for params in [json!(1), json!("ab"), json!(null), json!(true)] {
        refused(&json!({"method": "add", "params": params}), "invalid_request", Some("add"));
    }
    refused(&json!({"method": "refuse"}), "not_today", None);
    listener.close().unwrap();
}

#[tokio::test]
async fn a_table_of_asynchronous_functions_is_a_handler_too() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let methods = Methods::new().method("later", |(n,): (i64,)| async move {
        tokio::task::yield_now().await;
        Ok(n + 1)
    });
    let listener = simple_ipc::listen_uds_request_with("calc", &options, methods.handler()).await.unwrap();
    let calc = Client::connect(&Channel::uds("calc").unwrap(), &options).await.unwrap();
    assert_eq!(calc.call::<i64>("later", (1,)).await.unwrap(), 2);
    for (method, params, code) in [("later", json!(["x"]), "invalid_params"), ("sooner", json!([]), "method_not_found")]
    {
        let error = calc.call::<Value>(method, params).await.unwrap_err();
        assert_eq!(error.handler_code(), Some(code));
    }
    calc.close().await.unwrap();
    listener.close().await.unwrap();
}
