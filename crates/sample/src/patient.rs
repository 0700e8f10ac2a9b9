//! The generator, and a patient with the story of their visits.

use crate::calendar::{Date, Moment};
use crate::codes::{self, Code};
use crate::draw::{Draw, Stream};
use crate::person::{Person, Sex};
use crate::visit::{Diseases, Levels, Visit};
use crate::{CohortRow, bundle, cohort, names};

/// 2026-06-30, the end of every story. Fixed, so that samples do not depend on the day they are made.
const PRESENT: i64 = 20_634;

/// Makes patients from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generator {
    seed: u64,
}

impl Generator {
    /// The generator for a seed: another number, other patients.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Patient number `index`, counted from 0. The same however many patients are made.
    #[must_use]
    pub fn patient(&self, index: u32) -> Patient {
        Patient::draw(self.seed, index)
    }

    /// Patients 0 to `count - 1`, made one by one.
    pub fn patients(&self, count: u32) -> impl Iterator<Item = Patient> + use<> {
        let generator = *self;
        (0..count).map(move |index| generator.patient(index))
    }

    /// Patients 0 to `count - 1` as a table: [`CohortRow::HEADER`], then one row each, every line ended by `\n`.
    #[must_use]
    pub fn cohort_csv(&self, count: u32) -> String {
        let lines = self.patients(count).map(|patient| patient.cohort_row().to_csv());
        std::iter::once(CohortRow::HEADER.to_owned()).chain(lines).flat_map(|line| [line, "\n".to_owned()]).collect()
    }
}

/// A synthetic patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    pub(crate) seed: u64,
    pub(crate) index: u32,
    pub(crate) id: String,
    pub(crate) given: String,
    pub(crate) family: String,
    pub(crate) birth_date: Date,
    pub(crate) death: Option<Moment>,
    pub(crate) person: Person,
    /// Three to six, oldest first.
    pub(crate) visits: Vec<Visit>,
    /// By onset, of which there may be several at one visit.
    pub(crate) conditions: Vec<Condition>,
    /// Which visit the vaccination was at.
    pub(crate) immunized_at: usize,
    /// Which of the site's practitioners sees the patient.
    pub(crate) practitioner: u32,
}

/// A diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) code: Code,
    /// The visit it was first recorded at.
    pub(crate) visit: usize,
    pub(crate) resolved: Option<Moment>,
}

impl Patient {
    /// The patient's identifier: the `id` of the Patient resource, a UUID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The patient's record: a FHIR R4 transaction Bundle, indented, ended by `\n`. Each reference is the `fullUrl` of
    /// an entry of the same Bundle.
    #[must_use]
    pub fn bundle_json(&self) -> String {
        format!("{}\n", bundle::bundle(self))
    }

    /// The patient's row of the table, with the last value of each quantity in the bundle.
    #[must_use]
    pub fn cohort_row(&self) -> CohortRow {
        cohort::row(self)
    }

    fn draw(seed: u64, index: u32) -> Self {
        let mut stream = Draw::new(seed, index, Stream::Patient);
        let draw = &mut stream;
        let id = draw.uuid();
        let person = Person::draw(draw);
        let (given, family) = (names::given(draw, person.sex == Sex::Female), names::family(draw));
        let moments = moments(draw);
        let last_day = moments.last().map_or(PRESENT, |moment| moment.day.days());
        // A little over `age` years of 365.2425 days before the last visit.
        let birth_date = Date::from_days(last_day - person.age * 3_652_425 / 10_000 - draw.between(2, 360));
        let death = person.dies.then(|| Moment {
            day: Date::from_days(draw.between(last_day + 30, PRESENT - 1)),
            minute: draw.between(0, 1_439),
        });

        let mut onset = |has: bool| {
            let visit = usize::try_from(draw.below(u32::try_from(moments.len()).unwrap_or(1))).unwrap_or(0);
            has.then_some(visit)
        };
        let diabetes = onset(person.diabetes);
        let prediabetes = onset(person.prediabetes);
        let hypertension = onset(person.hypertension);
        let heart_disease = onset(person.heart_disease);
        let levels = Levels::draw(draw, &person);
        let mut visits = Vec::with_capacity(moments.len());
        for (i, at) in moments.iter().enumerate() {
            let since = |onset: Option<usize>| onset.is_some_and(|onset| onset <= i);
            let diseases = Diseases {
                diabetes: since(diabetes),
                prediabetes: since(prediabetes),
                hypertension: since(hypertension),
            };
            let later = i64::try_from(moments.len() - 1 - i).unwrap_or(0);
            visits.push(Visit::draw(draw, &person, &levels, diseases, *at, later));
        }

        let lasting = [
            (codes::DIABETES, diabetes),
            (codes::PREDIABETES, prediabetes),
            (codes::HYPERTENSION, hypertension),
            (codes::HEART_DISEASE, heart_disease),
            (codes::OBESITY, visits.iter().position(|visit| visit.bmi >= 300)),
            (codes::HYPERLIPIDEMIA, visits.iter().position(|visit| visit.lipids.is_some_and(|l| l.ldl >= 160))),
            (codes::ANEMIA, visits.iter().position(|visit| visit.hemoglobin < anemia_below(person.sex))),
        ];
        let lasting = lasting.into_iter().filter_map(|(code, at)| Some(Condition { code, visit: at?, resolved: None }));
        let mut conditions: Vec<Condition> = lasting.collect();
        for (i, at) in moments.iter().enumerate() {
            let bronchitis = if person.smoking.code() == codes::SMOKER { 200 } else { 60 };
            let bronchitis = draw.chance(bronchitis).then_some(codes::BRONCHITIS);
            let [first, others @ ..] = codes::PASSING;
            let passing = draw.pick(first, &others);
            let passing = draw.chance(250).then_some(passing);
            for code in bronchitis.into_iter().chain(passing) {
                conditions.push(Condition { code, visit: i, resolved: Some(at.plus_days(draw.between(7, 21))) });
            }
        }
        conditions.sort_by_key(|condition| condition.visit);
        let immunized_at = usize::try_from(draw.below(u32::try_from(visits.len()).unwrap_or(1))).unwrap_or(0);
        let practitioner = draw.below(bundle::PRACTITIONERS);
        Self {
            seed,
            index,
            id,
            given,
            family,
            birth_date,
            death,
            person,
            visits,
            conditions,
            immunized_at,
            practitioner,
        }
    }

    pub(crate) fn has(&self, code: Code) -> bool {
        self.conditions.iter().any(|condition| condition.code == code)
    }
}

/// Tenths of g/dL (WHO/NMH/NHD/MNM/11.1: 13 g/dL for men and 12 for women), less one: mild cases go unrecorded.
const fn anemia_below(sex: Sex) -> i64 {
    match sex {
        Sex::Female => 110,
        Sex::Male => 120,
    }
}

/// Three to six visits in office hours, oldest first, the last one 90 to 800 days before the present.
fn moments(draw: &mut Draw) -> Vec<Moment> {
    let mut day = PRESENT - draw.between(90, 800);
    let mut moments = Vec::new();
    for _ in 0..draw.between(3, 6) {
        moments.push(Moment { day: Date::from_days(day), minute: draw.between(8 * 12, 16 * 12) * 5 });
        day -= draw.between(150, 420);
    }
    moments.reverse();
    moments
}
