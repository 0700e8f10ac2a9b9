//! The FHIR export: what R4 requires of each resource, and what BALP's profiles require of the events they describe.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{at, log_of};
use mediveil_ledger::fhir::{Device, Site};
use mediveil_ledger::{Actor, Entry, Event, KeyChange, Label, Subject, UnknownEvent};
use serde_json::{Value, json};

const ACTOR: Actor = Actor::from_bytes([0xac; 16]);
const SUBJECT: Subject = Subject::from_bytes([0x5b; 32]);

fn site() -> Site {
    Site {
        namespace: "https://ehr.example.org/mediveil".into(),
        organization: "General Hospital".into(),
        client: Device { name: "ward-app".into(), address: "2001:db8::7".into() },
        server: Device { name: "vault".into(), address: "https://vault.example.org/".into() },
    }
}

fn export(entry: &Entry) -> Vec<Value> {
    let (_place, log) = log_of(1);
    let index = log.append(entry).unwrap().index;
    let resources = site().resources(log.id(), &log.entry(index).unwrap()).unwrap();
    for resource in &resources {
        well_formed(resource);
        let text = serde_json::to_string(resource).unwrap();
        assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), resource);
    }
    resources
}

fn entry(event: Event) -> Entry {
    Entry::new(at(0), ACTOR, event).about(SUBJECT)
}

fn anonymous(event: Event) -> Entry {
    Entry::new(at(0), Actor::SYSTEM, event)
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

/// The parts that R4 requires, and no empty ones (FHIR's JSON forbids them).
fn well_formed(resource: &Value) {
    fn no_empties(value: &Value) {
        match value {
            Value::Null => panic!("null"),
            Value::String(s) => assert!(!s.is_empty()),
            Value::Array(a) => {
                assert!(!a.is_empty());
                a.iter().for_each(no_empties);
            }
            Value::Object(o) => {
                assert!(!o.is_empty());
                o.values().for_each(no_empties);
            }
            _ => {}
        }
    }
    no_empties(resource);
    let id = resource["id"].as_str().unwrap();
    assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'), "{id}");
    let has = |names: &[&str]| names.iter().for_each(|n| assert!(resource.get(n).is_some(), "{n} in {resource}"));
    match resource["resourceType"].as_str().unwrap() {
        "AuditEvent" => {
            has(&["type", "recorded", "agent", "source", "action", "outcome"]);
            assert!(resource["source"]["observer"].is_object());
            for agent in resource["agent"].as_array().unwrap() {
                assert!(agent["requestor"].is_boolean() && agent["who"]["identifier"]["value"].is_string());
            }
            for entity in resource["entity"].as_array().unwrap() {
                assert!(
                    entity["what"]["identifier"]["system"].as_str().unwrap().starts_with("https://ehr.example.org/")
                );
            }
        }
        "Provenance" => {
            has(&["target", "recorded", "agent"]);
            assert!(resource["agent"].as_array().unwrap().iter().all(|a| a["who"].is_object()));
            assert_eq!(resource["entity"][0]["role"], "source");
        }
        "Consent" => has(&["status", "scope", "category", "patient", "policyRule", "dateTime"]),
        other => panic!("{other}"),
    }
}

fn kinds(resources: &[Value]) -> Vec<&str> {
    resources.iter().map(|r| r["resourceType"].as_str().unwrap()).collect()
}

fn profile(resource: &Value) -> &str {
    resource["meta"]["profile"][0].as_str().unwrap_or("").rsplit('/').next().unwrap()
}

/// Agent types in order, as `code`.
fn agents(event: &Value) -> Vec<&str> {
    event["agent"].as_array().unwrap().iter().map(|a| a["type"]["coding"][0]["code"].as_str().unwrap()).collect()
}

fn entity_types(event: &Value) -> Vec<&str> {
    event["entity"].as_array().unwrap().iter().map(|e| e["type"]["code"].as_str().unwrap()).collect()
}

fn check_rest(event: &Value, expected_profile: &str, code: &str, action: &str, roles: &[&str]) {
    assert_eq!(profile(event), expected_profile);
    assert_eq!(event["type"]["code"], "rest");
    assert_eq!(event["type"]["system"], "http://terminology.hl7.org/CodeSystem/audit-event-type");
    assert_eq!(event["subtype"][0]["code"], code);
    assert_eq!(event["subtype"][0]["system"], "http://hl7.org/fhir/restful-interaction");
    assert_eq!((&event["action"], &event["outcome"]), (&json!(action), &json!("0")));
    assert_eq!(agents(event), roles);
    // Client and server have a network address; a user has none and is the requestor.
    for agent in event["agent"].as_array().unwrap() {
        assert_eq!(agent["requestor"] == true, agent.get("network").is_none());
    }
}

#[test]
fn an_opened_file_is_a_patient_read_with_its_consent() {
    let event = Event::Accessed {
        file: [0xf1; 32],
        door: label("policy"),
        opened: true,
        purpose: Some(label("TREAT")),
        consent: Some([0xc0; 32]),
    };
    let all = export(&entry(event));
    assert_eq!(kinds(&all), ["AuditEvent", "AuditEvent"]);
    check_rest(&all[0], "IHE.BasicAudit.PatientRead", "read", "R", &["110152", "110153", "IRCP"]);
    assert_eq!(entity_types(&all[0]), ["2", "1"]);
    assert_eq!(all[0]["entity"][0]["role"]["code"], "4");
    assert_eq!(all[0]["entity"][1]["what"]["type"], "Patient");
    assert_eq!(all[0]["entity"][1]["what"]["identifier"]["value"], SUBJECT.to_string());
    assert_eq!(all[0]["recorded"], "2027-01-15T08:00:00Z");
    assert_eq!(all[0]["agent"][0]["network"], json!({ "address": "2001:db8::7", "type": "2" }));
    assert_eq!(all[0]["agent"][1]["network"], json!({ "address": "https://vault.example.org/", "type": "5" }));
    assert_eq!(all[0]["agent"][2]["who"]["identifier"]["value"], ACTOR.to_string());
    assert_eq!(all[0]["agent"][2]["purposeOfUse"][0]["coding"][0]["code"], "TREAT");

    let decision = &all[1];
    assert_eq!(profile(decision), "IHE.BasicAudit.AuthZconsent");
    assert_eq!((&decision["type"]["code"], &decision["action"]), (&json!("110113"), &json!("E")));
    assert_eq!(decision["subtype"][0]["code"], "AuthZ-Consent");
    assert_eq!(agents(decision), ["110150", "IRCP", "PROV", "authserver"]);
    assert_eq!(entity_types(decision), ["1", "Consent"]);
    // The invariant val-audit-source: the authorizer is who recorded it.
    assert_eq!(decision["agent"][3]["who"], decision["source"]["observer"]);
    assert_ne!(all[0]["id"], all[1]["id"]);
}

#[test]
fn a_refused_access_claims_no_profile_of_success() {
    let refused =
        |consent| Event::Accessed { file: [0xf1; 32], door: label("policy"), opened: false, purpose: None, consent };
    let all = export(&entry(refused(None)));
    assert_eq!(kinds(&all), ["AuditEvent"]);
    assert_eq!((profile(&all[0]), &all[0]["outcome"]), ("", &json!("8")));
    // A denial by consent is in BALP's pattern for decisions.
    let all = export(&entry(refused(Some([0xc0; 32]))));
    assert_eq!((profile(&all[1]), &all[1]["outcome"]), ("IHE.BasicAudit.AuthZconsent", &json!("8")));
}

#[test]
fn a_sealed_file_is_a_create_and_a_provenance() {
    let sealed = Event::Sealed { file: [0xf1; 32], doors: 2 };
    let all = export(&entry(sealed.clone()));
    assert_eq!(kinds(&all), ["AuditEvent", "Provenance"]);
    check_rest(&all[0], "IHE.BasicAudit.PatientCreate", "create", "C", &["110153", "110152", "AUT"]);
    let provenance = &all[1];
    assert_eq!(provenance["target"][0], all[0]["entity"][0]["what"]);
    assert_eq!(provenance["activity"]["coding"][0]["code"], "CREATE");
    assert_eq!(provenance["agent"][0]["who"]["identifier"]["value"], ACTOR.to_string());
    // Without a patient and a user it is the plain pattern.
    let all = export(&anonymous(sealed));
    check_rest(&all[0], "IHE.BasicAudit.Create", "create", "C", &["110153", "110152"]);
    assert_eq!(entity_types(&all[0]), ["2"]);
}

#[test]
fn a_consent_is_active_until_it_is_withdrawn() {
    let granted = Event::ConsentGranted {
        consent: [0xc0; 32],
        purpose: label("HRESCH"),
        grantee: Some(ACTOR),
        until: Some(at(86_400)),
    };
    let all = export(&entry(granted));
    assert_eq!(kinds(&all), ["AuditEvent", "Provenance", "Consent"]);
    check_rest(&all[0], "IHE.BasicAudit.PatientCreate", "create", "C", &["110153", "110152", "AUT"]);
    let consent = &all[2];
    assert_eq!((&consent["status"], &consent["scope"]["coding"][0]["code"]), (&json!("active"), &json!("research")));
    assert_eq!(consent["patient"]["identifier"]["value"], SUBJECT.to_string());
    assert_eq!(consent["provision"]["type"], "permit");
    assert_eq!(consent["provision"]["purpose"][0]["code"], "HRESCH");
    assert_eq!(consent["provision"]["period"]["end"], "2027-01-16T08:00:00Z");
    assert_eq!(consent["provision"]["actor"][0]["reference"]["identifier"]["value"], ACTOR.to_string());

    let all = export(&entry(Event::ConsentWithdrawn { consent: [0xc0; 32] }));
    check_rest(&all[0], "IHE.BasicAudit.PatientUpdate", "update", "U", &["110153", "110152", "AUT"]);
    assert_eq!(all[2]["status"], "inactive");
    assert_eq!(all[2]["identifier"], consent["identifier"], "the same consent");
    // R4 has no consent without its patient (invariant ppc-2).
    assert_eq!(
        kinds(&export(&anonymous(Event::ConsentWithdrawn { consent: [0xc0; 32] }))),
        ["AuditEvent", "Provenance"]
    );
}

#[test]
fn an_erasure_is_a_delete() {
    let all = export(&entry(Event::Erased { receipt: vec![1, 2, 3] }));
    assert_eq!(kinds(&all), ["AuditEvent", "Provenance"]);
    check_rest(&all[0], "IHE.BasicAudit.PatientDelete", "delete", "D", &["110150", "custodian", "AUT"]);
    assert_eq!(all[1]["activity"]["coding"][0]["code"], "DELETE");
    let digest = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81";
    assert_eq!(all[1]["target"][0]["identifier"]["value"], digest);
}

#[test]
fn the_rest_are_events_of_their_dicom_kind() {
    for (event, code, count) in [
        (Event::Key { ring: [1; 32], version: 2, change: KeyChange::Rotated }, "110131", 1),
        (Event::Committee { committee: [1; 32], kind: label("formed"), body: vec![] }, "110131", 1),
        (Event::Budget { data_set: [1; 32], kind: label("debited"), body: vec![] }, "110100", 1),
        (Event::Released { query: [1; 32], certificate: [2; 32] }, "110106", 2),
        (Event::Note { text: "secret words".into() }, "110100", 1),
        (Event::Unknown(UnknownEvent::new(0x9000, vec![7]).unwrap()), "110100", 1),
    ] {
        for entry in [entry(event.clone()), anonymous(event)] {
            let all = export(&entry);
            assert_eq!(all.len(), count);
            assert_eq!((&all[0]["type"]["code"], profile(&all[0])), (&json!(code), ""));
            assert!(!all[0].to_string().contains("secret words"), "free text stays in the log");
        }
    }
}

#[test]
fn a_bundle_names_each_resource_once_and_its_entry() {
    let (_place, log) = log_of(2);
    log.append(&entry(Event::Sealed { file: [3; 32], doors: 1 })).unwrap();
    let records: Vec<_> = log.entries(0..9).map(Result::unwrap).collect();
    let bundle = site().bundle(log.id(), &records, at(9)).unwrap();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("collection")));
    let urls: std::collections::BTreeSet<_> =
        bundle["entry"].as_array().unwrap().iter().map(|e| e["fullUrl"].to_string()).collect();
    assert_eq!(urls.len(), 4);
    let source = bundle["entry"][3]["resource"]["meta"]["source"].as_str().unwrap().to_owned();
    let leaf = mediveil_ledger::Hash::leaf(&records[2].bytes);
    assert_eq!(source, format!("https://ehr.example.org/mediveil/entry/2#{leaf}"));
}
