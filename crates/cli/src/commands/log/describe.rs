//! Entries for people and for programs.

use crate::text::hex;
use mediveil_ledger::{Entry, Event, Hash, Record};
use serde_json::{Map, Value, json};

/// The first eight digits of an identifier: enough to tell one from another in a listing.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// What an event says, by name.
fn details(event: &Event) -> Vec<(&'static str, Value)> {
    match event {
        Event::Sealed { file, doors } => vec![("file", json!(hex(file))), ("doors", json!(doors))],
        Event::Accessed { file, door, opened, purpose, consent } => vec![
            ("file", json!(hex(file))),
            ("door", json!(door.as_str())),
            ("opened", json!(opened)),
            ("purpose", json!(purpose.as_ref().map(|p| p.as_str()))),
            ("consent", json!(consent.as_ref().map(|c| hex(c)))),
        ],
        Event::ConsentGranted { consent, purpose, grantee, until } => vec![
            ("consent", json!(hex(consent))),
            ("purpose", json!(purpose.as_str())),
            ("grantee", json!(grantee.as_ref().map(ToString::to_string))),
            ("until", json!(until.as_ref().map(ToString::to_string))),
        ],
        Event::ConsentWithdrawn { consent } => vec![("consent", json!(hex(consent)))],
        Event::Key { ring, version, change } => {
            vec![("ring", json!(hex(ring))), ("version", json!(version)), ("change", json!(change.name()))]
        }
        Event::Erased { receipt } => vec![("receipt_bytes", json!(receipt.len()))],
        Event::Committee { committee, kind, .. } => {
            vec![("committee", json!(hex(committee))), ("kind", json!(kind.as_str()))]
        }
        Event::Budget { data_set, kind, .. } => {
            vec![("data_set", json!(hex(data_set))), ("kind", json!(kind.as_str()))]
        }
        Event::Released { query, certificate } => {
            vec![("query", json!(hex(query))), ("certificate", json!(hex(certificate)))]
        }
        Event::Note { text } => vec![("text", json!(text))],
        _ => vec![("code", json!(event.code()))],
    }
}

fn entry_json(entry: &Entry) -> Map<String, Value> {
    let mut map = Map::new();
    let mut set = |name: &str, value| map.insert(name.to_owned(), value);
    set("at", json!(entry.at.to_string()));
    set("actor", json!(entry.actor.to_string()));
    set("subject", json!(entry.subject.as_ref().map(ToString::to_string)));
    set("key", json!(entry.key.as_ref().map(ToString::to_string)));
    set("event", json!(entry.event.name()));
    for (name, value) in details(&entry.event) {
        set(name, value);
    }
    map
}

/// One entry for programs: an object that fits in a line.
pub(super) fn record_json(record: &Record) -> Value {
    let mut map = record.entry().map(|e| entry_json(&e)).unwrap_or_default();
    map.insert("index".into(), json!(record.index));
    map.insert("leaf".into(), json!(Hash::leaf(&record.bytes).to_string()));
    Value::Object(map)
}

/// One entry for people, in a line.
pub(super) fn record_line(record: &Record) -> String {
    let Ok(entry) = record.entry() else {
        return format!("{:>6}  {} bytes that this version cannot read", record.index, record.bytes.len());
    };
    let mut line =
        format!("{:>6}  {}  {}  {}", record.index, entry.at, short(&entry.actor.to_string()), entry.event.name());
    for (name, value) in details(&entry.event) {
        match value {
            Value::Null => {}
            Value::String(text) if text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                line.push_str(&format!(" {name} {}", short(&text)));
            }
            // What a note says is another's word: no control characters of it reach a terminal.
            Value::String(text) => line.push_str(&format!(" {name} {}", text.escape_debug())),
            other => line.push_str(&format!(" {name} {other}")),
        }
    }
    if let Some(subject) = &entry.subject {
        line.push_str(&format!(" about {}", short(&subject.to_string())));
    }
    line
}
