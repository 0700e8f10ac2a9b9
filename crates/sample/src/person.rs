//! Who a patient is: what does not change from visit to visit, and the risks that follow from it.

use crate::codes::{self, Code};
use crate::draw::Draw;
use std::fmt;

/// One of three sites that hold records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the sites have no other name")]
pub enum Site {
    A,
    B,
    C,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        })
    }
}

/// Administrative gender, of which samples have two. Prints as FHIR's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the codes of the value set administrative-gender")]
pub enum Sex {
    Female,
    Male,
}

impl fmt::Display for Sex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Female => "female",
            Self::Male => "male",
        })
    }
}

/// Race in the categories of the US Core Race extension. It has no influence on any value. Prints as its display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the categories of the CDC code set")]
pub enum Race {
    AmericanIndianOrAlaskaNative,
    Asian,
    BlackOrAfricanAmerican,
    Other,
    White,
}

impl Race {
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::AmericanIndianOrAlaskaNative => ("1002-5", "American Indian or Alaska Native"),
            Self::Asian => ("2028-9", "Asian"),
            Self::BlackOrAfricanAmerican => ("2054-5", "Black or African American"),
            Self::Other => ("2131-1", "Other"),
            Self::White => ("2106-3", "White"),
        }
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Smoking {
    Never,
    Former,
    Current,
}

impl Smoking {
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::Never => codes::NEVER_SMOKER,
            Self::Former => codes::EX_SMOKER,
            Self::Current => codes::SMOKER,
        }
    }
}

/// A person at the last visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) site: Site,
    pub(crate) sex: Sex,
    pub(crate) race: Race,
    pub(crate) smoking: Smoking,
    /// Years at the last visit, 20 to 90.
    pub(crate) age: i64,
    /// Millimetres.
    pub(crate) height: i64,
    /// Hectograms at the last visit.
    pub(crate) weight: i64,
    /// Diagnoses that stay.
    pub(crate) diabetes: bool,
    pub(crate) prediabetes: bool,
    pub(crate) hypertension: bool,
    pub(crate) heart_disease: bool,
    pub(crate) dies: bool,
}

impl Person {
    pub(crate) fn draw(draw: &mut Draw) -> Self {
        let site = match draw.below(20) {
            0..8 => Site::A,
            8..15 => Site::B,
            _ => Site::C,
        };
        let sex = if draw.chance(510) { Sex::Female } else { Sex::Male };
        let race = match draw.below(100) {
            0..68 => Race::White,
            68..81 => Race::BlackOrAfricanAmerican,
            81..88 => Race::Asian,
            88..98 => Race::Other,
            _ => Race::AmericanIndianOrAlaskaNative,
        };
        let smoking = match draw.below(100) {
            0..58 => Smoking::Never,
            58..81 => Smoking::Former,
            _ => Smoking::Current,
        };
        // A trapezium from 20 to 90: few of the youngest and of the oldest.
        let age = draw.between(20, 55) + draw.between(0, 35);
        let height = match sex {
            Sex::Female => draw.normal(1_630, 65),
            Sex::Male => draw.normal(1_765, 70),
        };
        let bmi = draw.normal(245 + age.min(65) - 20, 45).clamp(165, 480);
        let weight = crate::draw::rounded(bmi * height * height, 1_000_000);
        let (old, heavy) = (age - 30, bmi - 250);
        let diabetes = draw.chance((20 + 4 * old + 12 * heavy / 10).clamp(5, 600));
        let prediabetes = draw.chance((80 + 5 * old + 15 * heavy / 10).clamp(20, 500)) && !diabetes;
        let hypertension = draw.chance((60 + 9 * old + 15 * heavy / 10).clamp(10, 800));
        let smoked = match smoking {
            Smoking::Never => 0,
            Smoking::Former => 50,
            Smoking::Current => 140,
        };
        let illness = 60 * i64::from(hypertension) + 50 * i64::from(diabetes);
        let heart_disease = draw.chance((6 * (age - 45) + smoked + illness).clamp(2, 600));
        let dies = draw.chance((5 * (age - 58) + 50 * i64::from(heart_disease)).clamp(3, 400));
        Self { site, sex, race, smoking, age, height, weight, diabetes, prediabetes, hypertension, heart_disease, dies }
    }
}

/// Body mass index in tenths of kg/m2, from hectograms and millimetres.
pub(crate) const fn body_mass_index(weight: i64, height: i64) -> i64 {
    crate::draw::rounded(weight * 1_000_000, height * height)
}
