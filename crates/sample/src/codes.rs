//! The codes that the resources use: LOINC, SNOMED CT, CVX and UCUM.

/// A code with its display.
pub(crate) type Code = (&'static str, &'static str);

pub(crate) const LOINC: &str = "http://loinc.org";
pub(crate) const SNOMED: &str = "http://snomed.info/sct";
pub(crate) const CVX: &str = "http://hl7.org/fhir/sid/cvx";
pub(crate) const UCUM: &str = "http://unitsofmeasure.org";

/// A measured quantity: its LOINC code, its UCUM unit, and how many places it is reported with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantity {
    pub(crate) code: Code,
    pub(crate) unit: &'static str,
    pub(crate) places: u8,
}

const fn quantity(code: &'static str, display: &'static str, unit: &'static str, places: u8) -> Quantity {
    Quantity { code: (code, display), unit, places }
}

pub(crate) const HEIGHT: Quantity = quantity("8302-2", "Body height", "cm", 1);
pub(crate) const WEIGHT: Quantity = quantity("29463-7", "Body weight", "kg", 1);
pub(crate) const BMI: Quantity = quantity("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", 1);
pub(crate) const SYSTOLIC: Quantity = quantity("8480-6", "Systolic blood pressure", "mm[Hg]", 0);
pub(crate) const DIASTOLIC: Quantity = quantity("8462-4", "Diastolic blood pressure", "mm[Hg]", 0);
pub(crate) const HBA1C: Quantity = quantity("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 1);
pub(crate) const GLUCOSE: Quantity = quantity("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 0);
pub(crate) const CHOLESTEROL: Quantity = quantity("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 0);
pub(crate) const HDL: Quantity = quantity("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL", 0);
pub(crate) const LDL: Quantity =
    quantity("18262-6", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by Direct assay", "mg/dL", 0);
pub(crate) const TRIGLYCERIDES: Quantity =
    quantity("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL", 0);
pub(crate) const CREATININE: Quantity = quantity("38483-4", "Creatinine [Mass/volume] in Blood", "mg/dL", 2);
pub(crate) const HEMOGLOBIN: Quantity = quantity("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 1);

pub(crate) const BLOOD_PRESSURE: Code = ("85354-9", "Blood pressure panel with all children optional");
pub(crate) const SMOKING_STATUS: Code = ("72166-2", "Tobacco smoking status");

pub(crate) const NEVER_SMOKER: Code = ("266919005", "Never smoked tobacco (finding)");
pub(crate) const EX_SMOKER: Code = ("8517006", "Ex-smoker (finding)");
pub(crate) const SMOKER: Code = ("77176002", "Smoker (finding)");

pub(crate) const DIABETES: Code = ("44054006", "Diabetes mellitus type 2 (disorder)");
pub(crate) const PREDIABETES: Code = ("15777000", "Prediabetes (finding)");
pub(crate) const HYPERTENSION: Code = ("59621000", "Essential hypertension (disorder)");
pub(crate) const HEART_DISEASE: Code = ("53741008", "Coronary arteriosclerosis (disorder)");
pub(crate) const OBESITY: Code = ("162864005", "Body mass index 30+ - obesity (finding)");
pub(crate) const HYPERLIPIDEMIA: Code = ("55822004", "Hyperlipidemia (disorder)");
pub(crate) const ANEMIA: Code = ("271737000", "Anemia (disorder)");

pub(crate) const BRONCHITIS: Code = ("10509002", "Acute bronchitis (disorder)");
pub(crate) const PASSING: [Code; 3] = [
    ("195662009", "Acute viral pharyngitis (disorder)"),
    ("444814009", "Viral sinusitis (disorder)"),
    ("44465007", "Sprain of ankle (disorder)"),
];

pub(crate) const CHECK_UP: Code = ("185349003", "Encounter for check up (procedure)");
pub(crate) const INFLUENZA: Code = ("140", "Influenza, seasonal, injectable, preservative free");
