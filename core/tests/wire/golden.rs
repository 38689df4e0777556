//! The golden vectors, as the tests here read them.

use serde_json::Value;

/// All cases of a list, which is never empty: a test that reads nothing would prove nothing.
pub(crate) fn cases(file: &str, lists: &[&str]) -> Vec<Value> {
    // Where the tests run, which may be another machine than that on which they were built.
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let path = format!("{package}/../tests/vectors/{file}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file: Value = serde_json::from_str(&text).unwrap();
    let list = |name: &&str| {
        let cases = file[*name].as_array().unwrap_or_else(|| panic!("no list {name}")).clone();
        assert!(!cases.is_empty(), "{name} is empty");
        cases
    };
    lists.iter().flat_map(list).collect()
}

pub(crate) fn bytes(hex: &Value) -> Vec<u8> {
    if let Some(parts) = hex.as_array() {
        return parts.iter().flat_map(bytes).collect();
    }
    let digits: Vec<u32> = text(hex).chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

pub(crate) fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|value| value.try_into().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}
