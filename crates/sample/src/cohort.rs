//! The cohort table: one row a patient, with the last values observed.

use crate::calendar::Date;
use crate::codes::{self, Quantity};
use crate::fixed::Fixed;
use crate::patient::Patient;
use crate::person::{Race, Sex, Site, Smoking};

/// One row of the table. A value that was never observed is `None`, and an empty field in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortRow {
    /// The `id` of the Patient resource.
    pub patient_id: String,
    /// The site that holds the record.
    pub site: Site,
    /// Day of birth.
    pub birth_date: Date,
    /// Administrative gender.
    pub sex: Sex,
    /// Race category.
    pub race: Race,
    /// Body height, cm.
    pub height_cm: Fixed,
    /// Body weight, kg.
    pub weight_kg: Fixed,
    /// Body mass index, kg/m2.
    pub bmi: Fixed,
    /// Systolic blood pressure, mm\[Hg\].
    pub systolic_bp: Fixed,
    /// Diastolic blood pressure, mm\[Hg\].
    pub diastolic_bp: Fixed,
    /// Glucose, mg/dL.
    pub glucose: Option<Fixed>,
    /// Haemoglobin A1c, %.
    pub hba1c: Option<Fixed>,
    /// Total cholesterol, mg/dL.
    pub total_cholesterol: Option<Fixed>,
    /// HDL cholesterol, mg/dL.
    pub hdl: Option<Fixed>,
    /// Triglycerides, mg/dL.
    pub triglycerides: Option<Fixed>,
    /// Creatinine, mg/dL.
    pub creatinine: Option<Fixed>,
    /// Haemoglobin, g/dL.
    pub hemoglobin: Fixed,
    /// Smokes at present.
    pub smoker: bool,
    /// Has type 2 diabetes.
    pub diabetes: bool,
    /// Has prediabetes, and never diabetes too.
    pub prediabetes: bool,
    /// Has hypertension.
    pub hypertension: bool,
    /// Has coronary heart disease.
    pub heart_disease: bool,
    /// Has died.
    pub deceased: bool,
    /// Condition resources in the bundle, resolved ones included.
    pub n_conditions: usize,
}

impl CohortRow {
    /// The first line of the table, without its end of line.
    pub const HEADER: &'static str = "patient_id,site,birth_date,sex,race,height_cm,weight_kg,bmi,systolic_bp,\
         diastolic_bp,glucose,hba1c,total_cholesterol,hdl,triglycerides,creatinine,hemoglobin,smoker,diabetes,\
         prediabetes,hypertension,heart_disease,deceased,n_conditions";

    /// The row in the order of [`HEADER`](Self::HEADER), without an end of line. Flags are 0 or 1; no field needs
    /// quotes (RFC 4180).
    #[must_use]
    pub fn to_csv(&self) -> String {
        let value = |value: Option<Fixed>| value.map(|v| v.to_string()).unwrap_or_default();
        let flag = |flag: bool| u8::from(flag).to_string();
        [
            self.patient_id.clone(),
            self.site.to_string(),
            self.birth_date.to_string(),
            self.sex.to_string(),
            self.race.to_string(),
            self.height_cm.to_string(),
            self.weight_kg.to_string(),
            self.bmi.to_string(),
            self.systolic_bp.to_string(),
            self.diastolic_bp.to_string(),
            value(self.glucose),
            value(self.hba1c),
            value(self.total_cholesterol),
            value(self.hdl),
            value(self.triglycerides),
            value(self.creatinine),
            self.hemoglobin.to_string(),
            flag(self.smoker),
            flag(self.diabetes),
            flag(self.prediabetes),
            flag(self.hypertension),
            flag(self.heart_disease),
            flag(self.deceased),
            self.n_conditions.to_string(),
        ]
        .join(",")
    }
}

pub(crate) fn row(patient: &Patient) -> CohortRow {
    let person = &patient.person;
    let last = patient.visits.last();
    let always = |quantity: Quantity, units: Option<i64>| Fixed::new(units.unwrap_or_default(), quantity.places);
    let newest = || patient.visits.iter().rev();
    let lipids = newest().find_map(|visit| visit.lipids);
    let metabolic = newest().find_map(|visit| visit.metabolic);
    let fixed = |quantity: Quantity, units: Option<i64>| units.map(|units| Fixed::new(units, quantity.places));
    CohortRow {
        patient_id: patient.id.clone(),
        site: person.site,
        birth_date: patient.birth_date,
        sex: person.sex,
        race: person.race,
        height_cm: Fixed::new(person.height, codes::HEIGHT.places),
        weight_kg: always(codes::WEIGHT, last.map(|visit| visit.weight)),
        bmi: always(codes::BMI, last.map(|visit| visit.bmi)),
        systolic_bp: always(codes::SYSTOLIC, last.map(|visit| visit.systolic)),
        diastolic_bp: always(codes::DIASTOLIC, last.map(|visit| visit.diastolic)),
        glucose: fixed(codes::GLUCOSE, metabolic.map(|m| m.glucose)),
        hba1c: fixed(codes::HBA1C, newest().find_map(|visit| visit.hba1c)),
        total_cholesterol: fixed(codes::CHOLESTEROL, lipids.map(|l| l.total)),
        hdl: fixed(codes::HDL, lipids.map(|l| l.hdl)),
        triglycerides: fixed(codes::TRIGLYCERIDES, lipids.map(|l| l.triglycerides)),
        creatinine: fixed(codes::CREATININE, metabolic.map(|m| m.creatinine)),
        hemoglobin: always(codes::HEMOGLOBIN, last.map(|visit| visit.hemoglobin)),
        smoker: person.smoking == Smoking::Current,
        diabetes: patient.has(codes::DIABETES),
        prediabetes: patient.has(codes::PREDIABETES),
        hypertension: patient.has(codes::HYPERTENSION),
        heart_disease: patient.has(codes::HEART_DISEASE),
        deceased: patient.death.is_some(),
        n_conditions: patient.conditions.len(),
    }
}
