//! The policy language: text as it comes, and policies made from the input against an evaluation by brute force.

use arbitrary::{Result, Unstructured};
use mediveil_abe::explain::{missing, satisfies};
use mediveil_abe::{AttributeSet, Number, Policy};

/// Four plain attributes and a number of three bits.
const ATTRIBUTES: [&str; 4] = ["x:a", "x:b", "y:\"A \\\" b\"", "z:\u{e4}"];

/// A policy as a tree of our own.
enum Model {
    Attribute(usize),
    Between(u32, u32),
    AtLeast(usize, Vec<Self>),
}

impl Model {
    fn any(u: &mut Unstructured<'_>, depth: u8) -> Result<Self> {
        if depth == 0 || u.ratio(1, 3)? {
            if u.ratio(1, 4)? {
                let low = u.int_in_range(0..=7)?;
                return Ok(Self::Between(low, u.int_in_range(low..=7)?));
            }
            return Ok(Self::Attribute(u.choose_index(ATTRIBUTES.len())?));
        }
        let children = (0..u.int_in_range(1..=4)?).map(|_| Self::any(u, depth - 1)).collect::<Result<Vec<_>>>()?;
        Ok(Self::AtLeast(u.int_in_range(1..=children.len())?, children))
    }

    /// The policy as text, with gates spelled in one of the ways there are.
    fn text(&self, u: &mut Unstructured<'_>) -> Result<String> {
        Ok(match self {
            Self::Attribute(i) => ATTRIBUTES.get(*i).copied().unwrap_or_default().to_owned(),
            Self::Between(low, 7) if u.ratio(1, 2)? => format!("n >= {low}"),
            Self::Between(0, high) if u.ratio(1, 2)? => format!("n <= {high}"),
            Self::Between(low, high) if low == high && u.ratio(1, 2)? => format!("n = {low}"),
            Self::Between(low, high) => format!("n in {low}..{high}"),
            Self::AtLeast(needed, children) => {
                let texts = children.iter().map(|c| c.text(u)).collect::<Result<Vec<_>>>()?;
                if *needed == children.len() && u.ratio(1, 2)? {
                    format!("({})", texts.join(" AND "))
                } else if *needed == 1 && u.ratio(1, 2)? {
                    format!("({})", texts.join(" or "))
                } else {
                    format!("({needed} of ({}))", texts.join(", "))
                }
            }
        })
    }

    fn holds(&self, held: u8, number: Option<u32>) -> bool {
        match self {
            Self::Attribute(i) => held >> i & 1 == 1,
            Self::Between(low, high) => number.is_some_and(|n| (*low..=*high).contains(&n)),
            Self::AtLeast(needed, children) => children.iter().filter(|c| c.holds(held, number)).count() >= *needed,
        }
    }
}

fn prints_and_parses(policy: &Policy) {
    let printed = policy.to_string();
    match Policy::parse(&printed) {
        Ok(again) => assert!(again == *policy && again.to_string() == printed, "the printed form is another policy"),
        Err(e) => panic!("the printed form does not parse: {e}"),
    }
}

/// Text is refused, or prints to itself; and what a policy asks is what brute force says, for every set of attributes.
pub fn policy(data: &[u8]) {
    if let Some(policy) = std::str::from_utf8(data).ok().and_then(|text| Policy::parse(text).ok()) {
        prints_and_parses(&policy);
    }
    let mut u = Unstructured::new(data);
    let Ok(model) = Model::any(&mut u, 4) else { return };
    let Ok(text) = model.text(&mut u) else { return };
    // Ranges joined by `and` that have nothing in common are refused, and rightly.
    let Ok(policy) = Policy::parse(&text) else {
        assert!((0..16).all(|held| (0..8).all(|n| !model.holds(held, Some(n)))) || text.contains("n "), "{text}");
        return;
    };
    prints_and_parses(&policy);
    for held in 0..16_u8 {
        for number in [None, Some(0), Some(3), Some(4), Some(7)] {
            let names = ATTRIBUTES.iter().enumerate().filter(|(i, _)| held >> i & 1 == 1).map(|(_, name)| *name);
            let Ok(mut set) = AttributeSet::parse(names) else { panic!("attributes are attributes") };
            if let Some(n) = number {
                assert!(set.insert_number("n", Number::Integer(n)).is_ok());
            }
            assert_eq!(satisfies(&policy, &set), model.holds(held, number), "{text} for {held:04b} and {number:?}");
        }
    }
    let _ = missing(&policy, &AttributeSet::default());
}
