//! The vectors of the reviewer's guide (docs/vectors), for a language without JSON: every text in them as a file, named by where
//! it stands, bytes where the text is hexadecimal.

use crate::Folder;
use mediveil_abe::{AttributeKey, PublicParameters};
use mediveil_codec::{Wire, armor};
use serde_json::Value;
use std::fs;
use std::path::Path;

pub(crate) fn write(to: &Folder) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        leaves(to, &format!("vectors.{name}"), &serde_json::from_slice(&fs::read(&path).unwrap()).unwrap());
    }
    // Key files are text.
    armoured::<PublicParameters>(to, "vectors.policy.parameters");
    (0..4).for_each(|n| armoured::<AttributeKey>(to, &format!("vectors.policy.keys.{n}.key")));
}

fn armoured<T: Wire>(to: &Folder, name: &str) {
    to.write(name, armor::encode(&T::decode(&to.read(name)).unwrap()));
}

fn leaves(to: &Folder, name: &str, value: &Value) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| leaves(to, &format!("{name}.{key}"), value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| leaves(to, &format!("{name}.{n}"), value));
        }
        Value::String(text) => match hex(text) {
            Some(bytes) => to.write(name, bytes),
            None => to.write(name, text),
        },
        Value::Bool(true) => to.write(name, "true"),
        _ => {}
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    let pair = |i: usize| u8::from_str_radix(text.get(i..i + 2)?, 16).ok();
    (digits && text.len().is_multiple_of(2)).then(|| (0..text.len()).step_by(2).map(pair).collect())?
}
