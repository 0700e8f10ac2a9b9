//! A log's entries as FHIR R4 resources, for systems that collect audit trails and consents.
//!
//! | event | `AuditEvent`, by the IHE Basic Audit Log Patterns (BALP) | other |
//! |---|---|---|
//! | sealed | Create, `PatientCreate` | `Provenance` |
//! | accessed | Read, `PatientRead`; `AuthZconsent` besides where a consent allowed it | |
//! | consent granted | Create, `PatientCreate` | `Consent` (active), `Provenance` |
//! | consent withdrawn | Update, `PatientUpdate` | `Consent` (inactive), `Provenance` |
//! | erased | Delete, `PatientDelete` | `Provenance` |
//! | released | DICOM Export | `Provenance` |
//! | key, committee | DICOM Security Configuration | |
//! | budget, note, unknown | DICOM Application Activity | |
//!
//! Profiles by IHE ITI, *Basic Audit Log Patterns* (<https://profiles.ihe.net/ITI/BALP/>); they describe what succeeded, so
//! a refused access carries none. BALP wants to know both ends of a connection, which a log does not record: the caller
//! supplies them as [`Site`].
//!
//! Patients, actors and files appear by the log's own opaque identifiers, as logical references. An export therefore says
//! no more about a patient than the log does. It proves nothing by itself: `meta.source` names the entry that does.

use crate::log::Record;
use crate::{Actor, Event, Hash, LogId, Subject};
use mediveil_codec::{DecodeError, Timestamp};
use serde_json::{Value, json};
use std::net::IpAddr;

const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const TERMINOLOGY: &str = "http://terminology.hl7.org/CodeSystem/";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// A system at one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its identifier, unique within the organisation.
    pub name: String,
    /// Its network address: an IP address, a URI, or a host name.
    pub address: String,
}

/// What the log does not know and FHIR asks for: whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// A URI of the organisation under which identifiers are made, such as `https://ehr.example.org/mediveil`.
    pub namespace: String,
    /// The organisation's identifier.
    pub organization: String,
    /// The application that acts for its users.
    pub client: Device,
    /// The system that keeps the records, and this log.
    pub server: Device,
}

impl Site {
    /// The resources of one entry; at least one.
    ///
    /// # Errors
    /// [`DecodeError`] if the entry cannot be read by this version.
    pub fn resources(&self, log: LogId, record: &Record) -> Result<Vec<Value>, DecodeError> {
        let entry = record.entry()?;
        let export = Export { site: self, log, record, at: entry.at, actor: entry.actor, subject: entry.subject };
        Ok(export.resources(&entry.event))
    }

    /// All resources of these entries in a `Bundle` of type collection.
    ///
    /// # Errors
    /// Those of [`resources`](Self::resources).
    pub fn bundle(&self, log: LogId, records: &[Record], now: Timestamp) -> Result<Value, DecodeError> {
        let mut entries = Vec::new();
        for record in records {
            for resource in self.resources(log, record)? {
                let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
                let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
                let url = format!("{}/{kind}/{id}", self.namespace);
                entries.push(json!({ "fullUrl": url, "resource": resource }));
            }
        }
        Ok(json!({ "resourceType": "Bundle", "type": "collection", "timestamp": now.to_string(), "entry": entries }))
    }
}

/// The three ways in which BALP arranges the agents of an interaction.
#[derive(Clone, Copy)]
enum Flow {
    /// From the server to the client: Read.
    Out,
    /// From the client to the server: Create and Update.
    In,
    /// Delete.
    Gone,
}

/// One of the four REST interactions that BALP has patterns for.
struct Interaction {
    /// The name of the pattern.
    pattern: &'static str,
    code: &'static str,
    action: &'static str,
    flow: Flow,
}

const CREATE: Interaction = Interaction { pattern: "Create", code: "create", action: "C", flow: Flow::In };
const READ: Interaction = Interaction { pattern: "Read", code: "read", action: "R", flow: Flow::Out };
const UPDATE: Interaction = Interaction { pattern: "Update", code: "update", action: "U", flow: Flow::In };
const DELETE: Interaction = Interaction { pattern: "Delete", code: "delete", action: "D", flow: Flow::Gone };

struct Export<'a> {
    site: &'a Site,
    log: LogId,
    record: &'a Record,
    at: Timestamp,
    actor: Actor,
    subject: Option<Subject>,
}

impl Export<'_> {
    fn resources(&self, event: &Event) -> Vec<Value> {
        match event {
            Event::Sealed { file, .. } => {
                let file = self.reference("file", &hex(file));
                vec![self.rest(&CREATE, true, &file, None), self.provenance("CREATE", &file)]
            }
            Event::Accessed { file, opened, purpose, consent, .. } => {
                let purpose = purpose.as_ref().map(|p| p.as_str());
                let mut all = vec![self.rest(&READ, *opened, &self.reference("file", &hex(file)), purpose)];
                if let (Some(consent), Some(subject), true) = (consent, &self.subject, self.actor != Actor::SYSTEM) {
                    all.push(self.authorization(consent, subject, *opened, purpose));
                }
                all
            }
            Event::ConsentGranted { consent, purpose, grantee, until } => {
                let target = self.consent_reference(consent);
                let mut all = vec![self.rest(&CREATE, true, &target, None), self.provenance("CREATE", &target)];
                if let Some(subject) = &self.subject {
                    let mut resource = self.consent(consent, subject, "active", purpose.as_str());
                    let mut provision = json!({ "type": "permit", "purpose": [act_reason(purpose.as_str())] });
                    if let Some(until) = until {
                        set(&mut provision, "period", json!({ "end": until.to_string() }));
                    }
                    if let Some(grantee) = grantee {
                        let role = concept(&coding(&system("v3-ParticipationType"), "IRCP", "information recipient"));
                        let actor = json!([{ "role": role, "reference": self.actor_reference(grantee) }]);
                        set(&mut provision, "actor", actor);
                    }
                    set(&mut resource, "provision", provision);
                    all.push(resource);
                }
                all
            }
            Event::ConsentWithdrawn { consent } => {
                let target = self.consent_reference(consent);
                let mut all = vec![self.rest(&UPDATE, true, &target, None), self.provenance("UPDATE", &target)];
                if let Some(subject) = &self.subject {
                    all.push(self.consent(consent, subject, "inactive", ""));
                }
                all
            }
            Event::Erased { receipt } => {
                let receipt = self.reference("erasure-receipt", &sha256(receipt));
                vec![self.rest(&DELETE, true, &receipt, None), self.provenance("DELETE", &receipt)]
            }
            Event::Key { ring, version, change } => {
                let what = self.reference("key", &format!("{}/{version}", hex(ring)));
                vec![self.security("110131", "Security Configuration", &what, change.name())]
            }
            Event::Committee { committee, kind, .. } => {
                let what = self.reference("committee", &hex(committee));
                vec![self.security("110131", "Security Configuration", &what, kind.as_str())]
            }
            Event::Budget { data_set, kind, .. } => {
                let what = self.reference("budget", &hex(data_set));
                vec![self.security("110100", "Application Activity", &what, kind.as_str())]
            }
            Event::Released { query, certificate } => {
                let what = self.reference("release", &hex(certificate));
                let audit = self.security("110106", "Export", &what, &format!("query:{}", hex(query)));
                vec![audit, self.provenance("CREATE", &what)]
            }
            Event::Note { .. } | Event::Unknown(_) => {
                let what = self.entry_reference();
                vec![self.security("110100", "Application Activity", &what, event.name())]
            }
        }
    }

    /// An `AuditEvent` by one of BALP's patterns for REST interactions.
    fn rest(&self, interaction: &Interaction, success: bool, what: &Value, purpose: Option<&str>) -> Value {
        let (client, server) = match interaction.flow {
            Flow::Out => (dicom("110152", "Destination Role ID"), dicom("110153", "Source Role ID")),
            Flow::In => (dicom("110153", "Source Role ID"), dicom("110152", "Destination Role ID")),
            Flow::Gone => {
                let custodian = coding(&system("provenance-participant-type"), "custodian", "Custodian");
                (dicom("110150", "Application"), custodian)
            }
        };
        let mut agents = vec![self.device(&self.site.client, &client), self.device(&self.site.server, &server)];
        let user = match interaction.flow {
            Flow::Out => coding(&system("v3-ParticipationType"), "IRCP", "information recipient"),
            Flow::In | Flow::Gone => coding(&system("v3-ParticipationType"), "AUT", "author (originator)"),
        };
        agents.extend(self.user(&user, purpose));
        let mut entities = vec![json!({
            "what": what,
            "type": coding(&system("audit-entity-type"), "2", "System Object"),
            "role": coding(&system("object-role"), "4", "Domain Resource"),
        })];
        entities.extend(self.subject.as_ref().map(|s| self.patient_entity(s)));
        let mut event = self.audit_event("", &coding(&system("audit-event-type"), "rest", "Restful Operation"));
        if success {
            let patient = if self.subject.is_some() { "Patient" } else { "" };
            set_profile(&mut event, &format!("{BALP}{patient}{}", interaction.pattern));
        }
        let subtype = coding("http://hl7.org/fhir/restful-interaction", interaction.code, interaction.code);
        set(&mut event, "subtype", json!([subtype]));
        set(&mut event, "action", json!(interaction.action));
        set_outcome(&mut event, success);
        set(&mut event, "agent", json!(agents));
        set(&mut event, "entity", json!(entities));
        event
    }

    /// An `AuditEvent` by BALP's pattern for a decision that a consent made.
    fn authorization(&self, consent: &[u8; 32], subject: &Subject, permit: bool, purpose: Option<&str>) -> Value {
        let mut event = self.audit_event("-authz", &dicom("110113", "Security Alert"));
        set_profile(&mut event, &format!("{BALP}AuthZconsent"));
        let subtype = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType";
        let decision = "Authorization Decision using Roles and Consent";
        set(&mut event, "subtype", json!([coding(subtype, "AuthZ-Consent", decision)]));
        set(&mut event, "action", json!("E"));
        set_outcome(&mut event, permit);
        let recipient = coding(&system("v3-ParticipationType"), "IRCP", "information recipient");
        let provider = coding(&system("v3-RoleClass"), "PROV", "healthcare provider");
        let authority = coding(&system("extra-security-role-type"), "authserver", "authorization server");
        let mut agents = vec![self.device(&self.site.client, &dicom("110150", "Application"))];
        agents.extend(self.user(&recipient, purpose));
        let organization = self.reference("organization", &self.site.organization);
        agents.push(json!({ "type": concept(&provider), "who": organization, "requestor": false }));
        agents.push(json!({ "type": concept(&authority), "who": self.observer(), "requestor": false }));
        set(&mut event, "agent", json!(agents));
        let consent = json!({
            "what": self.consent_reference(consent),
            "type": coding("http://hl7.org/fhir/resource-types", "Consent", "Consent"),
        });
        set(&mut event, "entity", json!([self.patient_entity(subject), consent]));
        event
    }

    /// An `AuditEvent` for what BALP has no pattern for.
    fn security(&self, code: &str, display: &str, what: &Value, name: &str) -> Value {
        let mut event = self.audit_event("", &dicom(code, display));
        set(&mut event, "action", json!("E"));
        set_outcome(&mut event, true);
        let mut agents = vec![self.device(&self.site.server, &dicom("110150", "Application"))];
        agents.extend(self.user(&coding(&system("v3-ParticipationType"), "AUT", "author (originator)"), None));
        set(&mut event, "agent", json!(agents));
        let kind = coding(&system("audit-entity-type"), "2", "System Object");
        let mut entities = vec![json!({ "what": what, "type": kind, "name": name })];
        entities.extend(self.subject.as_ref().map(|s| self.patient_entity(s)));
        set(&mut event, "entity", json!(entities));
        event
    }

    fn audit_event(&self, suffix: &str, kind: &Value) -> Value {
        let application_server = coding(&system("security-source-type"), "4", "Application Server");
        json!({
            "resourceType": "AuditEvent",
            "id": self.id(suffix),
            "meta": { "source": self.source() },
            "type": kind,
            "recorded": self.at.to_string(),
            "source": { "site": self.site.organization, "observer": self.observer(), "type": [application_server] },
        })
    }

    fn provenance(&self, operation: &str, target: &Value) -> Value {
        let role = |code, display| concept(&coding(&system("provenance-participant-type"), code, display));
        let mut agents = vec![json!({ "type": role("custodian", "Custodian"), "who": self.observer() })];
        if self.actor != Actor::SYSTEM {
            agents.insert(0, json!({ "type": role("author", "Author"), "who": self.actor_reference(&self.actor) }));
        }
        json!({
            "resourceType": "Provenance",
            "id": self.id(""),
            "meta": { "source": self.source() },
            "target": [target],
            "occurredDateTime": self.at.to_string(),
            "recorded": self.at.to_string(),
            "activity": concept(&coding(&system("v3-DataOperation"), operation, &operation.to_ascii_lowercase())),
            "agent": agents,
            "entity": [{ "role": "source", "what": self.entry_reference() }],
        })
    }

    fn consent(&self, consent: &[u8; 32], subject: &Subject, status: &str, purpose: &str) -> Value {
        let research = purpose.contains("RESCH");
        let scope = if research { ("research", "Research") } else { ("patient-privacy", "Privacy Consent") };
        json!({
            "resourceType": "Consent",
            "id": self.id(""),
            "meta": { "source": self.source() },
            "identifier": [{ "system": self.system("consent"), "value": hex(consent) }],
            "status": status,
            "scope": concept(&coding(&system("consentscope"), scope.0, scope.1)),
            "category": [concept(&coding("http://loinc.org", "59284-0", "Consent Document"))],
            "patient": self.patient(subject),
            "dateTime": self.at.to_string(),
            "policyRule": concept(&coding(&system("v3-ActCode"), "OPTIN", "opt-in")),
        })
    }

    fn device(&self, device: &Device, role: &Value) -> Value {
        // FHIR's network-type: 1 machine name, 2 IP address, 5 URI.
        let kind = match &device.address {
            a if a.parse::<IpAddr>().is_ok() => "2",
            a if a.contains("://") => "5",
            _ => "1",
        };
        json!({
            "type": concept(role),
            "who": self.device_reference(device),
            "requestor": false,
            "network": { "address": device.address, "type": kind },
        })
    }

    fn user(&self, role: &Value, purpose: Option<&str>) -> Option<Value> {
        (self.actor != Actor::SYSTEM).then(|| {
            let mut user =
                json!({ "type": concept(role), "who": self.actor_reference(&self.actor), "requestor": true });
            if let Some(purpose) = purpose {
                set(&mut user, "purposeOfUse", json!([concept(&act_reason(purpose))]));
            }
            user
        })
    }

    fn patient_entity(&self, subject: &Subject) -> Value {
        json!({
            "what": self.patient(subject),
            "type": coding(&system("audit-entity-type"), "1", "Person"),
            "role": coding(&system("object-role"), "1", "Patient"),
        })
    }

    fn patient(&self, subject: &Subject) -> Value {
        typed("Patient", self.reference("subject", &subject.to_string()))
    }

    fn consent_reference(&self, consent: &[u8; 32]) -> Value {
        typed("Consent", self.reference("consent", &hex(consent)))
    }

    fn actor_reference(&self, actor: &Actor) -> Value {
        self.reference("actor", &actor.to_string())
    }

    fn device_reference(&self, device: &Device) -> Value {
        typed("Device", self.reference("device", &device.name))
    }

    fn entry_reference(&self) -> Value {
        self.reference("entry", &format!("{}/{}", self.log, self.record.index))
    }

    /// Who recorded the event: the system that keeps the log.
    fn observer(&self) -> Value {
        self.device_reference(&self.site.server)
    }

    /// A logical reference (FHIR R4 §2.3.0.2): an identifier that needs no server to resolve it.
    fn reference(&self, kind: &str, value: &str) -> Value {
        json!({ "identifier": { "system": self.system(kind), "value": value } })
    }

    fn system(&self, kind: &str) -> String {
        format!("{}/{kind}", self.site.namespace)
    }

    /// Unique among all entries of all logs, within the 64 characters that an id may have.
    fn id(&self, suffix: &str) -> String {
        let log: String = self.log.to_string().chars().take(32).collect();
        format!("{log}-{}{suffix}", self.record.index)
    }

    /// The entry this came from, with the hash under which it is in the tree.
    fn source(&self) -> String {
        let leaf = Hash::leaf(&self.record.bytes);
        format!("{}/{}#{leaf}", self.system("entry"), self.record.index)
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(bytes).into())
}

fn system(name: &str) -> String {
    format!("{TERMINOLOGY}{name}")
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

fn dicom(code: &str, display: &str) -> Value {
    coding(DICOM, code, display)
}

fn act_reason(code: &str) -> Value {
    json!({ "system": system("v3-ActReason"), "code": code })
}

fn concept(coding: &Value) -> Value {
    json!({ "coding": [coding] })
}

fn typed(kind: &str, mut reference: Value) -> Value {
    set(&mut reference, "type", json!(kind));
    reference
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn set_profile(resource: &mut Value, profile: &str) {
    if let Some(meta) = resource.get_mut("meta") {
        set(meta, "profile", json!([profile]));
    }
}

/// FHIR's audit-event-outcome: 0 success, 8 serious failure; access refused is the latter in BALP's own example.
fn set_outcome(event: &mut Value, success: bool) {
    set(event, "outcome", json!(if success { "0" } else { "8" }));
}
