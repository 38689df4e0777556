//! What a handler sends.

use serde_json::{Value, json};
use simple_ipc::{ErrorKind, Message, MessageKind};

use crate::callers::{Caller, count, drain, for_each_caller, opening};
use crate::serving::{Serving, channel, item};
use crate::support::Scratch;

for_each_caller! {
    items_come_in_order_each_once_and_then_the_end
    items_of_every_size_come_whole
    what_was_sent_before_an_error_comes_before_it_with_what_the_handler_gave
    a_single_answer_is_one_item_and_the_end
    bytes_come_as_bytes_and_empty_ones_are_items
    more_items_than_a_window_holds_all_come_to_one_who_begins_late
}

fn items_come_in_order_each_once_and_then_the_end<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    for n in [0, 1, 3, 10_000] {
        let mut stream = C::open(&channel(), &count(n, 0), &scratch.options()).unwrap();
        assert_eq!(drain(&mut stream, 0).0, n);
        // The end stays the end.
        assert!(stream.next().unwrap().is_none());
    }
}

fn items_of_every_size_come_whole<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    for size in [1000, 4096, 33_000, 262_144, 3_000_000] {
        let mut stream = C::open(&channel(), &count(5, size), &scratch.options()).unwrap();
        let (items, end) = drain(&mut stream, size);
        assert_eq!((items, end.is_ok()), (5, true), "{size}");
    }
}

fn what_was_sent_before_an_error_comes_before_it_with_what_the_handler_gave<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    for n in [1, 7, 1000] {
        let mut stream = C::open(&channel(), &opening(json!({"do": "fail", "n": n})), &scratch.options()).unwrap();
        let (items, end) = drain(&mut stream, 0);
        let error = end.unwrap_err();
        assert_eq!((items, error.kind(), error.message()), (n, ErrorKind::HandlerFailed, "on purpose"));
        assert_eq!((error.handler_code(), error.handler_data()), (Some("stopped"), Some(&*n.to_string())));
    }
}

fn a_single_answer_is_one_item_and_the_end<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let opening = opening(json!({"do": "answer", "with": [1, null]}));
    let mut stream = C::open(&channel(), &opening, &scratch.options()).unwrap();
    assert_eq!(stream.next().unwrap().unwrap().decode::<Value>().unwrap(), json!([1, null]));
    assert!(stream.next().unwrap().is_none());
}

fn bytes_come_as_bytes_and_empty_ones_are_items<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let mut stream = C::open(&channel(), &opening(json!({"do": "empty", "n": 100_000})), &scratch.options()).unwrap();
    let mut items = 0;
    while let Some(item) = stream.next().unwrap() {
        assert_eq!((item.kind(), item.len()), (MessageKind::Bytes, 0));
        items += 1;
    }
    assert_eq!(items, 100_000);
}

fn more_items_than_a_window_holds_all_come_to_one_who_begins_late<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let mut echo = C::open(&channel(), &opening(json!({"do": "echo"})), &scratch.options()).unwrap();
    // What comes back lies at the caller, as far as the window goes, while it sends.
    for nth in 0..100 {
        echo.send(&Message::text(&item(nth, 2000))).unwrap();
    }
    echo.end().unwrap();
    let (items, end) = drain(&mut echo, 2000);
    assert_eq!((items, end.is_ok()), (100, true));
}
