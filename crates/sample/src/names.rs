//! Names that nobody bears.

use crate::draw::Draw;

const FAMILIES: [&str; 15] = [
    "Dummyhurst",
    "Examplewood",
    "Fauxley",
    "Fictionby",
    "Genericson",
    "Loremworth",
    "Mockford",
    "Nonesuch",
    "Placeholder",
    "Pseudonymsen",
    "Specimenov",
    "Synthman",
    "Testerton",
    "Trialova",
    "Unrealdez",
];
const FEMALE: [&str; 11] =
    ["Ada", "Beatrix", "Clio", "Dora", "Edith", "Flora", "Greta", "Hilda", "Iris", "Juno", "Kira"];
const MALE: [&str; 11] =
    ["Abel", "Boris", "Caspar", "Dexter", "Egon", "Felix", "Gustav", "Hugo", "Igor", "Jasper", "Konrad"];

/// A family name with a number, such as `Samplewell417`.
pub(crate) fn family(draw: &mut Draw) -> String {
    numbered(draw, "Samplewell", &FAMILIES)
}

/// A given name with a number, such as `Zelda038`.
pub(crate) fn given(draw: &mut Draw, female: bool) -> String {
    if female { numbered(draw, "Zelda", &FEMALE) } else { numbered(draw, "Zeno", &MALE) }
}

fn numbered(draw: &mut Draw, first: &str, others: &[&str]) -> String {
    let name = draw.pick(first, others);
    format!("{name}{:03}", draw.below(1000))
}
