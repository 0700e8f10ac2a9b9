//! The patient as a FHIR R4 (4.0.1) transaction Bundle.

use crate::calendar::Moment;
use crate::codes::{self, Code, LOINC, Quantity, SNOMED, UCUM};
use crate::draw::{Draw, Stream};
use crate::fixed::Fixed;
use crate::json::{Json, object};
use crate::names;
use crate::patient::{Condition, Patient};
use crate::person::{Sex, Site};
use crate::visit::Visit;

/// Members of an object, in order.
type Members = Vec<(&'static str, Json)>;

/// Practitioners at each site.
pub(crate) const PRACTITIONERS: u32 = 4;

/// Our identifiers and sites, under a domain that is reserved for examples (RFC 2606).
const IDENTIFIERS: &str = "https://mediveil.example.org/sample/patient";
const SITES: &str = "https://mediveil.example.org/sample/site";
const STAFF: &str = "https://mediveil.example.org/sample/practitioner";

const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
const ORGANIZATION_TYPE: &str = "http://terminology.hl7.org/CodeSystem/organization-type";
const CLINICAL_STATUS: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const VERIFICATION_STATUS: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CONDITION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const OBSERVATION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const RACE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race";
const RACE_CODES: &str = "urn:oid:2.16.840.1.113883.6.238";

const VITAL_SIGNS: Code = ("vital-signs", "Vital Signs");
const LABORATORY: Code = ("laboratory", "Laboratory");
const SOCIAL_HISTORY: Code = ("social-history", "Social History");

/// The Bundle: patient, organization and practitioner, then visit by visit.
pub(crate) fn bundle(patient: &Patient) -> Json {
    let mut writer = Writer::new(patient);
    writer.push("Patient", &patient.id, |to| person(to, patient));
    let (organization_id, practitioner_id) = (writer.organization.clone(), writer.practitioner.clone());
    writer.push("Organization", &organization_id, |_| organization(patient.person.site));
    writer.push("Practitioner", &practitioner_id, |_| practitioner(patient));
    for (i, visit) in patient.visits.iter().enumerate() {
        let at = At { encounter: writer.ids.uuid(), moment: visit.at };
        writer.push("Encounter", &at.encounter, |to| encounter(to, visit.at));
        for found in patient.conditions.iter().filter(|condition| condition.visit == i) {
            writer.push_new("Condition", |to| condition(to, &at, found));
        }
        observations(&mut writer, &at, patient, visit);
        if patient.immunized_at == i {
            writer.push_new("Immunization", |to| immunization(to, &at));
        }
    }
    object().with("resourceType", "Bundle").with("type", "transaction").with("entry", writer.entries)
}

/// The entries so far, and what they refer to.
#[derive(Debug)]
struct Writer {
    ids: Draw,
    patient: String,
    organization: String,
    practitioner: String,
    entries: Vec<Json>,
}

/// The visit that a resource belongs to.
#[derive(Debug)]
struct At {
    encounter: String,
    moment: Moment,
}

impl Writer {
    fn new(patient: &Patient) -> Self {
        let (organization, practitioners) = site_ids(patient.seed, patient.person.site);
        let mine = practitioners.into_iter().zip(0..).find(|(_, i)| *i == patient.practitioner);
        Self {
            ids: Draw::new(patient.seed, patient.index, Stream::Ids),
            patient: patient.id.clone(),
            organization,
            practitioner: mine.map(|(id, _)| id).unwrap_or_default(),
            entries: Vec::new(),
        }
    }

    /// Adds a resource with the members that `fill` gives it.
    fn push(&mut self, resource_type: &'static str, id: &str, fill: impl FnOnce(&Self) -> Members) {
        let security = coding(ACT_REASON, ("HTEST", "test health data"));
        let mut resource = object()
            .with("resourceType", resource_type)
            .with("id", id)
            .with("meta", object().with("security", vec![security]));
        for (name, value) in fill(self) {
            resource = resource.with(name, value);
        }
        let entry = object()
            .with("fullUrl", format!("urn:uuid:{id}"))
            .with("resource", resource)
            .with("request", object().with("method", "POST").with("url", resource_type));
        self.entries.push(entry);
    }

    fn push_new(&mut self, resource_type: &'static str, fill: impl FnOnce(&Self) -> Members) {
        let id = self.ids.uuid();
        self.push(resource_type, &id, fill);
    }
}

/// The organization's id and its practitioners', the same for all patients of a seed.
fn site_ids(seed: u64, site: Site) -> (String, Vec<String>) {
    let mut draw = Draw::new(seed, site_number(site), Stream::Site);
    (draw.uuid(), (0..PRACTITIONERS).map(|_| draw.uuid()).collect())
}

const fn site_number(site: Site) -> u32 {
    match site {
        Site::A => 0,
        Site::B => 1,
        Site::C => 2,
    }
}

fn coding(system: &str, (code, display): Code) -> Json {
    object().with("system", system).with("code", code).with("display", display)
}

/// A `CodeableConcept` of one coding, with its display as text.
fn concept(system: &str, code: Code) -> Json {
    object().with("coding", vec![coding(system, code)]).with("text", code.1)
}

/// A `CodeableConcept` of one status code.
fn status(system: &str, code: Code) -> Json {
    object().with("coding", vec![coding(system, code)])
}

fn reference(id: &str) -> Json {
    object().with("reference", format!("urn:uuid:{id}"))
}

fn person(to: &Writer, patient: &Patient) -> Members {
    let race = patient.person.race.code();
    let category = object().with("url", "ombCategory").with("valueCoding", coding(RACE_CODES, race));
    let text = object().with("url", "text").with("valueString", race.1);
    let extension = object().with("url", RACE).with("extension", vec![category, text]);
    let identifier = object()
        .with("type", concept(IDENTIFIER_TYPE, ("MR", "Medical record number")))
        .with("system", IDENTIFIERS)
        .with("value", format!("{}-{}", patient.seed, patient.index));
    let name = object()
        .with("use", "official")
        .with("family", patient.family.as_str())
        .with("given", vec![patient.given.as_str().into()]);
    let mut members = vec![
        ("extension", vec![extension].into()),
        ("identifier", vec![identifier].into()),
        ("active", Json::Bool(patient.death.is_none())),
        ("name", vec![name].into()),
        ("gender", patient.person.sex.to_string().into()),
        ("birthDate", patient.birth_date.to_string().into()),
    ];
    if let Some(death) = patient.death {
        members.push(("deceasedDateTime", death.to_string().into()));
    }
    members.push(("address", vec![address()].into()));
    members.push(("generalPractitioner", vec![reference(&to.practitioner)].into()));
    members.push(("managingOrganization", reference(&to.organization)));
    members
}

fn address() -> Json {
    object().with("use", "home").with("city", "Sampleton").with("country", "US")
}

fn organization(site: Site) -> Members {
    let identifier = object().with("system", SITES).with("value", site.to_string());
    vec![
        ("identifier", vec![identifier].into()),
        ("active", Json::Bool(true)),
        ("type", vec![concept(ORGANIZATION_TYPE, ("prov", "Healthcare Provider"))].into()),
        ("name", format!("Synthetic Hospital {site}").into()),
    ]
}

fn practitioner(patient: &Patient) -> Members {
    let (site, number) = (site_number(patient.person.site), patient.practitioner);
    // The names of a practitioner have a stream of their own, clear of the sites' ids.
    let mut draw = Draw::new(patient.seed, 3 + PRACTITIONERS * site + number, Stream::Site);
    let female = draw.chance(500);
    let name = object()
        .with("family", names::family(&mut draw))
        .with("given", vec![names::given(&mut draw, female).into()])
        .with("prefix", vec!["Dr.".into()]);
    let sex = if female { Sex::Female } else { Sex::Male };
    let identifier = object().with("system", STAFF).with("value", format!("{}-{}", patient.person.site, number + 1));
    vec![
        ("identifier", vec![identifier].into()),
        ("active", Json::Bool(true)),
        ("name", vec![name].into()),
        ("gender", sex.to_string().into()),
    ]
}

fn encounter(to: &Writer, at: Moment) -> Members {
    let period = object().with("start", at.to_string()).with("end", at.plus_minutes(45).to_string());
    vec![
        ("status", "finished".into()),
        ("class", coding(ACT_CODE, ("AMB", "ambulatory"))),
        ("type", vec![concept(SNOMED, codes::CHECK_UP)].into()),
        ("subject", reference(&to.patient)),
        ("participant", vec![object().with("individual", reference(&to.practitioner))].into()),
        ("period", period),
        ("serviceProvider", reference(&to.organization)),
    ]
}

fn condition(to: &Writer, at: &At, condition: &Condition) -> Members {
    let clinical = if condition.resolved.is_some() { ("resolved", "Resolved") } else { ("active", "Active") };
    let category = concept(CONDITION_CATEGORY, ("encounter-diagnosis", "Encounter Diagnosis"));
    let mut members = vec![
        ("clinicalStatus", status(CLINICAL_STATUS, clinical)),
        ("verificationStatus", status(VERIFICATION_STATUS, ("confirmed", "Confirmed"))),
        ("category", vec![category].into()),
        ("code", concept(SNOMED, condition.code)),
        ("subject", reference(&to.patient)),
        ("encounter", reference(&at.encounter)),
        ("onsetDateTime", at.moment.to_string().into()),
    ];
    if let Some(resolved) = condition.resolved {
        members.push(("abatementDateTime", resolved.to_string().into()));
    }
    members.push(("recordedDate", at.moment.to_string().into()));
    members
}

fn immunization(to: &Writer, at: &At) -> Members {
    vec![
        ("status", "completed".into()),
        ("vaccineCode", concept(codes::CVX, codes::INFLUENZA)),
        ("patient", reference(&to.patient)),
        ("encounter", reference(&at.encounter)),
        ("occurrenceDateTime", at.moment.to_string().into()),
        ("primarySource", Json::Bool(true)),
        ("performer", vec![object().with("actor", reference(&to.practitioner))].into()),
    ]
}

/// What the visit measured: vital signs, smoking status, and the panels that were taken.
fn observations(writer: &mut Writer, at: &At, patient: &Patient, visit: &Visit) {
    let vital_signs = [(codes::HEIGHT, patient.person.height), (codes::WEIGHT, visit.weight), (codes::BMI, visit.bmi)];
    for (quantity, units) in vital_signs {
        writer.push_new("Observation", |to| measured(to, at, VITAL_SIGNS, quantity, units));
    }
    writer.push_new("Observation", |to| {
        let components = [(codes::SYSTOLIC, visit.systolic), (codes::DIASTOLIC, visit.diastolic)].map(|(q, units)| {
            object().with("code", concept(LOINC, q.code)).with("valueQuantity", quantity_value(q, units))
        });
        observation(to, at, VITAL_SIGNS, codes::BLOOD_PRESSURE, ("component", components.to_vec().into()))
    });
    writer.push_new("Observation", |to| {
        let value = concept(SNOMED, patient.person.smoking.code());
        observation(to, at, SOCIAL_HISTORY, codes::SMOKING_STATUS, ("valueCodeableConcept", value))
    });
    let taken = [
        Some((codes::HEMOGLOBIN, visit.hemoglobin)),
        visit.hba1c.map(|hba1c| (codes::HBA1C, hba1c)),
        visit.metabolic.map(|panel| (codes::GLUCOSE, panel.glucose)),
        visit.metabolic.map(|panel| (codes::CREATININE, panel.creatinine)),
        visit.lipids.map(|panel| (codes::CHOLESTEROL, panel.total)),
        visit.lipids.map(|panel| (codes::TRIGLYCERIDES, panel.triglycerides)),
        visit.lipids.map(|panel| (codes::LDL, panel.ldl)),
        visit.lipids.map(|panel| (codes::HDL, panel.hdl)),
    ];
    for (quantity, units) in taken.into_iter().flatten() {
        writer.push_new("Observation", |to| measured(to, at, LABORATORY, quantity, units));
    }
}

fn measured(to: &Writer, at: &At, category: Code, quantity: Quantity, units: i64) -> Members {
    observation(to, at, category, quantity.code, ("valueQuantity", quantity_value(quantity, units)))
}

fn quantity_value(quantity: Quantity, units: i64) -> Json {
    object()
        .with("value", Json::Number(Fixed::new(units, quantity.places)))
        .with("unit", quantity.unit)
        .with("system", UCUM)
        .with("code", quantity.unit)
}

fn observation(to: &Writer, at: &At, category: Code, code: Code, value: (&'static str, Json)) -> Members {
    vec![
        ("status", "final".into()),
        ("category", vec![status(OBSERVATION_CATEGORY, category)].into()),
        ("code", concept(LOINC, code)),
        ("subject", reference(&to.patient)),
        ("encounter", reference(&at.encounter)),
        ("effectiveDateTime", at.moment.to_string().into()),
        ("performer", vec![reference(&to.practitioner)].into()),
        value,
    ]
}
