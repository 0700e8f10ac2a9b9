//! What is measured at a visit.
//!
//! Each quantity has a level of the person's own, kept through all visits, and a smaller scatter from visit to visit.

use crate::calendar::Moment;
use crate::draw::{Draw, rounded, scaled};
use crate::person::{Person, Sex, Smoking, body_mass_index};

/// The values of one visit in units of the last place that is reported ([`codes`](crate::codes)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) at: Moment,
    pub(crate) weight: i64,
    pub(crate) bmi: i64,
    pub(crate) systolic: i64,
    pub(crate) diastolic: i64,
    pub(crate) hemoglobin: i64,
    pub(crate) hba1c: Option<i64>,
    pub(crate) metabolic: Option<Metabolic>,
    pub(crate) lipids: Option<Lipids>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metabolic {
    pub(crate) glucose: i64,
    pub(crate) creatinine: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lipids {
    pub(crate) total: i64,
    pub(crate) hdl: i64,
    pub(crate) ldl: i64,
    pub(crate) triglycerides: i64,
}

/// Which lasting diseases a person has by the time of a visit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Diseases {
    pub(crate) diabetes: bool,
    pub(crate) prediabetes: bool,
    pub(crate) hypertension: bool,
}

/// The person's own levels, as deviates, and what is ordered for them.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    pressure: i64,
    sugar: i64,
    hdl: i64,
    ldl: i64,
    triglycerides: i64,
    creatinine: i64,
    hemoglobin: i64,
    /// Hectograms gained a visit.
    gain: i64,
    orders_hba1c: bool,
    orders_metabolic: bool,
    orders_lipids: bool,
}

impl Levels {
    pub(crate) fn draw(draw: &mut Draw, person: &Person) -> Self {
        let sugar_disease = person.diabetes || person.prediabetes;
        Self {
            pressure: draw.deviate(),
            sugar: draw.deviate(),
            hdl: draw.deviate(),
            ldl: draw.deviate(),
            triglycerides: draw.deviate(),
            creatinine: draw.deviate(),
            hemoglobin: draw.deviate(),
            gain: draw.normal(2, 6),
            orders_hba1c: draw.chance(if sugar_disease { 960 } else { 450 }),
            orders_metabolic: draw.chance(if sugar_disease || person.hypertension { 940 } else { 600 }),
            orders_lipids: draw.chance((500 + 6 * person.age).min(900)),
        }
    }
}

impl Visit {
    /// The values at a visit that is followed by `later` more. Panels that are ordered at all are taken at three visits
    /// of four.
    pub(crate) fn draw(
        draw: &mut Draw,
        person: &Person,
        levels: &Levels,
        diseases: Diseases,
        at: Moment,
        later: i64,
    ) -> Self {
        let scatter = if later == 0 { 0 } else { draw.normal(0, 8) };
        let weight = (person.weight - levels.gain * later + scatter).max(350);
        let bmi = body_mass_index(weight, person.height);
        let heavy = bmi - 250;
        let hypertension = i64::from(diseases.hypertension);
        let systolic = draw.normal(108 + 3 * (person.age - 20) / 10 + heavy / 20 + 20 * hypertension, 4);
        let systolic = (systolic + scaled(8, levels.pressure)).clamp(88, 210);
        let diastolic = draw.normal(69 + heavy / 30 + 11 * hypertension, 3);
        let diastolic = (diastolic + scaled(5, levels.pressure)).clamp(50, systolic - 25);
        let hemoglobin = draw.normal(if person.sex == Sex::Male { 149 } else { 135 }, 3);
        let hemoglobin = (hemoglobin + scaled(10, levels.hemoglobin)).clamp(85, 185);
        // Drawn whether or not they are reported, so that what is ordered does not move later draws.
        let hba1c = hba1c(draw, levels, diseases);
        let metabolic = metabolic(draw, person, levels, diseases, hba1c);
        let lipids = lipids(draw, person, levels, diseases, heavy);
        let (takes_hba1c, takes_metabolic, takes_lipids) = (draw.chance(750), draw.chance(750), draw.chance(750));
        Self {
            at,
            weight,
            bmi,
            systolic,
            diastolic,
            hemoglobin,
            hba1c: (levels.orders_hba1c && takes_hba1c).then_some(hba1c),
            metabolic: (levels.orders_metabolic && takes_metabolic).then_some(metabolic),
            lipids: (levels.orders_lipids && takes_lipids).then_some(lipids),
        }
    }
}

/// Tenths of a percent, within the diagnostic ranges: below 5.7, 5.7 to 6.4, and 6.5 or more (American Diabetes
/// Association, Standards of Care in Diabetes, section 2).
fn hba1c(draw: &mut Draw, levels: &Levels, diseases: Diseases) -> i64 {
    let (mean, sd, low, high) = match diseases {
        Diseases { diabetes: true, .. } => (75, 9, 65, 130),
        Diseases { prediabetes: true, .. } => (60, 2, 57, 64),
        _ => (52, 2, 43, 56),
    };
    (draw.normal(mean, sd / 4) + scaled(sd, levels.sugar)).clamp(low, high)
}

/// Glucose follows `HbA1c` by the estimated average glucose, 28.7 times `HbA1c` - 46.7 mg/dL (Nathan et al., Diabetes Care 31(8),
/// 2008), less 12 because blood is drawn fasting.
fn metabolic(draw: &mut Draw, person: &Person, levels: &Levels, diseases: Diseases, hba1c: i64) -> Metabolic {
    let glucose = draw.normal(rounded(287 * hba1c - 4_670, 100) - 12, 6).clamp(62, 380);
    let base = if person.sex == Sex::Male { 95 } else { 78 };
    let creatinine = base + (person.age - 50).max(0) / 3 + 8 * i64::from(diseases.diabetes);
    let creatinine = (draw.normal(creatinine, 4) + scaled(12, levels.creatinine)).clamp(40, 350);
    Metabolic { glucose, creatinine }
}

/// The total is that of Friedewald, Levy and Fredrickson (Clinical Chemistry 18(6), 1972): HDL + LDL + triglycerides / 5.
fn lipids(draw: &mut Draw, person: &Person, levels: &Levels, diseases: Diseases, heavy: i64) -> Lipids {
    let base = if person.sex == Sex::Male { 47 } else { 56 };
    let smokes = i64::from(person.smoking == Smoking::Current);
    let hdl = (draw.normal(base - heavy / 20 - 4 * smokes, 2) + scaled(9, levels.hdl)).clamp(22, 100);
    let ldl = (draw.normal(100 + (person.age - 20) / 3, 6) + scaled(26, levels.ldl)).clamp(40, 230);
    let triglycerides = 105 + heavy / 4 + 35 * i64::from(diseases.diabetes);
    let triglycerides = (draw.normal(triglycerides, 10) + scaled(32, levels.triglycerides)).clamp(45, 390);
    Lipids { total: hdl + ldl + rounded(triglycerides, 5), hdl, ldl, triglycerides }
}
