//! The policy language: grammar, errors with positions, limits, canonical form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_abe::explain::{explain, in_words, missing, satisfies};
use mediveil_abe::{
    Attribute, AttributeSet, Comparison, Granularity, Number, Policy, PolicyError, Schema, SchemaError, Test,
};
use proptest::prelude::*;

fn canonical(text: &str) -> String {
    Policy::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).to_string()
}

fn error(text: &str) -> String {
    Policy::parse(text).unwrap_err().to_string()
}

#[test]
fn canonical_forms() {
    for (text, expected) in [
        ("role:cardiologist", "role:cardiologist"),
        (" ( ( role : cardiologist ) ) ", "role:cardiologist"),
        ("a:b and c:d or e:f", "(a:b and c:d) or e:f"),
        ("a:b AND (c:d Or e:f)", "a:b and (c:d or e:f)"),
        ("a:b and (c:d and (e:f and g:h))", "a:b and c:d and e:f and g:h"),
        ("1 of (a:b, c:d or e:f)", "a:b or c:d or e:f"),
        ("3 of (a:b, c:d, e:f)", "a:b and c:d and e:f"),
        ("2 of (a:b, c:d and e:f, g:h)", "2 of (a:b, c:d and e:f, g:h)"),
        ("1 of (a:b)", "a:b"),
        ("clearance>=3", "clearance >= 3"),
        ("age<18 and x=5", "age < 18 and x == 5"),
        ("issued <= 2027-01-01", "issued <= 2027-01-01"),
        ("age in 18..65", "age in 18..65"),
        ("d in 2026-01-01..2026-12-31", "d in 2026-01-01..2026-12-31"),
        ("ward:12", "ward:12"),
        (r#"a:"b:c""#, r#"a:"b:c""#),
        (r#"a:"b""#, "a:b"),
        (r#"a:"and""#, r#"a:"and""#),
        (r#"a:and"#, r#"a:"and""#),
        (r#"a:"two words""#, r#"a:"two words""#),
        (r#"a:"q\"\\\u{a}""#, r#"a:"q\"\\\u{a}""#),
        ("role:A\u{308}rztin", "role:\u{c4}rztin"),
        ("of-x:1 and order:2", "of-x:1 and order:2"),
        ("\u{2003}a:b\n", "a:b"),
    ] {
        assert_eq!(canonical(text), expected);
        assert_eq!(canonical(expected), expected);
    }
}

#[test]
fn errors_have_positions() {
    for (text, expected) in [
        ("", "expected an attribute, a comparison, `k of` or `(` at 1"),
        ("role:x and", "expected an attribute, a comparison, `k of` or `(` at 11"),
        ("role:x site:A", "expected `and`, `or` or the end at 8"),
        ("(role:x", "expected `and`, `or` or `)` at 8"),
        ("role:x)", "expected `and`, `or` or the end at 7"),
        ("role", "expected `:`, a comparison or `in` at 5"),
        ("role:", "expected a value at 6"),
        ("a:b:c", "expected `and`, `or` or the end; a value with a colon needs quotes, as in a:\"b:c\", at 4"),
        ("a:\u{e4}\u{e4} and a:\"x", "expected a closing quote at 14"),
        ("age >= old", "expected a number up to 4294967295 or a date such as 2027-01-31 at 8"),
        ("age >= 4294967296", "expected a number up to 4294967295 or a date such as 2027-01-31 at 8"),
        ("age >= 007", "expected a number up to 4294967295 or a date such as 2027-01-31 at 8"),
        ("age >= 2027-02-30", "expected a number up to 4294967295 or a date such as 2027-01-31 at 8"),
        ("age in 3", "expected `..` at 9"),
        ("a:b and 4 of (a:b, c:d)", "expected a number from 1 to 2 at 9"),
        ("0 of (a:b)", "expected a number from 1 to 1 at 1"),
        ("2 of a:b", "expected `(` at 6"),
        ("not a:b", "expected an attribute; there is no `not`: write the values that are allowed; at 1"),
        ("a:\"\\x\"", "expected \\\", \\\\ or \\u{hex} at 4"),
        ("a:b & c:d", "expected a policy; put a value with other characters in quotes, at 5"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    assert!(error("until >= 3").contains("word of the policy language"));
    assert!(error("\u{430}:b").contains("cannot be an attribute name"));
    assert!(error("a:\"\"").contains("1 to 256 bytes"));
    assert_eq!(Policy::parse("age in 5..3"), Err(PolicyError::Contradiction("age".into())));
    assert_eq!(Policy::parse("age in 5..2027-01-01"), Err(PolicyError::Kind("age".into())));
}

#[test]
fn policies_10_000_deep_with_100_000_leaves_and_empty_are_refused() {
    let deep = format!("{}a:b{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(Policy::parse(&deep), Err(PolicyError::TooDeep { at: 65 }));
    let nested = format!("{}a:b{}", "2 of (c:d, e:f, ".repeat(2_000), ")".repeat(2_000));
    assert!(matches!(Policy::parse(&nested), Err(PolicyError::TooDeep { .. })));
    let wide = vec!["a:b"; 100_000].join(" or ");
    assert_eq!(Policy::parse(&wide), Err(PolicyError::TooLong(wide.len())));
    let many = vec!["a:b"; 5_000].join(" or ");
    assert_eq!(Policy::parse(&many), Err(PolicyError::TooManyTerms));
    assert!(matches!(Policy::parse("()"), Err(PolicyError::Syntax { at: 2, .. })));
    assert_eq!(Policy::all([]), Err(PolicyError::Empty));
    assert_eq!(Policy::any([]), Err(PolicyError::Empty));
    // What is built step by step is limited as well.
    let mut policy = Policy::parse("a:b").unwrap();
    let c = || Policy::parse("c:d").unwrap();
    let refused = (0..200).find_map(|i| {
        let next = if i % 2 == 0 { Policy::all([policy.clone(), c()]) } else { Policy::any([policy.clone(), c()]) };
        next.map(|p| policy = p).err()
    });
    assert_eq!(refused, Some(PolicyError::TooDeep { at: 1 }));
    // A repeated attribute costs a pairing each time.
    let repeated = Policy::parse(&vec!["a:b"; 257].join(" and ")).unwrap();
    let result = explain(&repeated, &Schema::new(), None);
    assert_eq!(result, Err(PolicyError::TooManyRepeats { count: 257, limit: 256 }));
    // Comparisons grow when they become prefixes.
    let schema = Schema::new().integer("n", 32).unwrap();
    let ranges: Vec<_> = (1..100).map(|i| format!("n in {i}..4294967294")).collect();
    let result = explain(&Policy::parse(&ranges.join(" or ")).unwrap(), &schema, None);
    assert_eq!(result, Err(PolicyError::TooManyRows { rows: 4097, limit: 4096 }));
}

#[test]
fn contradictory_and_undeclared_comparisons_are_refused() {
    let schema = Schema::new().integer("age", 7).unwrap().date("issued").unwrap();
    let check = |text: &str| explain(&Policy::parse(text).unwrap(), &schema, None).map(|r| r.rows);
    let none = Err(PolicyError::Contradiction("age".into()));
    assert_eq!(check("age < 0"), none);
    assert_eq!(check("age > 127"), none);
    assert_eq!(check("age < 18 and a:b and age >= 18"), none);
    assert_eq!(check("age < 18 and age >= 17"), Ok(4 + 4));
    assert_eq!(check("age == 5"), Ok(1));
    assert_eq!(check("age >= 0"), Ok(2));
    assert!(matches!(check("age < 300"), Err(PolicyError::OutOfRange { .. })));
    assert_eq!(check("age < 2027-01-01"), Err(PolicyError::Kind("age".into())));
    assert_eq!(check("issued < 20454"), Err(PolicyError::Kind("issued".into())));
    assert_eq!(check("weight < 3"), Err(PolicyError::UnknownNumber("weight".into())));
    assert_eq!(check("age:5"), Err(PolicyError::NotPlain("age".into())));
}

#[test]
fn attribute_sets_are_checked() {
    let schema = Schema::new().integer("clearance", 3).unwrap().date("issued").unwrap();
    let check = |items: &[&str]| schema.check(&AttributeSet::parse(items.iter().copied()).unwrap());
    assert_eq!(check(&["role:x", "clearance=7", "issued=2026-02-28"]), Ok(()));
    assert_eq!(check(&["clearance=8"]), Err(SchemaError::TooLarge { name: "clearance".into(), max: 7 }));
    assert_eq!(check(&["clearance=2026-02-28"]), Err(SchemaError::Kind("clearance".into())));
    assert_eq!(check(&["clearance:3"]), Err(SchemaError::NotPlain("clearance".into())));
    assert_eq!(check(&["weight=3"]), Err(SchemaError::Undeclared("weight".into())));
    assert!(matches!(AttributeSet::parse(["a=3", "a=4"]), Err(SchemaError::Twice(_))));
    assert!(AttributeSet::parse(["a >= 3"]).is_err());
    assert!(AttributeSet::parse(["a:b and c:d"]).is_err());
    let set = AttributeSet::parse(["b=3", "role:\"a b\"", "d=2026-01-01"]).unwrap();
    assert_eq!(set.to_string(), "role:\"a b\", b=3, d=2026-01-01");
    // Letter case counts, normal form does not.
    let set = AttributeSet::parse(["role:A\u{308}rztin"]).unwrap();
    assert!(set.contains(&Attribute::new("role", "\u{c4}rztin").unwrap()));
    assert!(!set.contains(&Attribute::new("role", "\u{e4}rztin").unwrap()));
    assert!(!set.contains(&Attribute::new("Role", "\u{c4}rztin").unwrap()));
}

/// The policy / attributes / success cases of CIRCL's tkn20. We have no negation: where the values of an attribute can be
/// listed (here EU, US, ASIA and AZ; tiers 1, 2 and 3), `not` is the `or` of the others.
#[test]
fn circl_cases_agree() {
    let not_us = "(region:EU or region:ASIA or region:AZ)";
    for (policy, attributes, success) in [
        ("region: US", "region:EU", false),
        (not_us, "region:EU", true),
        (
            "region: US or region: EU or tier: 1 or tier: 2 or tier: 3 and owner: cloudflare",
            "region:AZ,tier:2,owner:cloudflare",
            true,
        ),
        (
            "(region: US or region: EU) or (tier: 1 or tier: 2 or tier: 3) and (owner: cloudflare)",
            "region:AZ,tier:1,owner:cloudflare",
            true,
        ),
        ("((region: US or region: EU) and (tier:1 or tier:2))", "region:EU,tier:2,owner:cloudflare", true),
        ("region:ASIA or region:AZ", "region:EU", false),
        ("region:US", "region:EU", false),
        ("region: US or region: US", "region:AZ", false),
        ("region: US and region: EU or region: ASIA", "region:US", false),
    ] {
        let set = AttributeSet::parse(attributes.split(',')).unwrap();
        assert_eq!(satisfies(&Policy::parse(policy).unwrap(), &set), success, "{policy}");
    }
}

#[test]
fn explanations_name_the_smallest_missing_sets() {
    let policy =
        Policy::parse("(role:cardiologist and site:A and clearance >= 3) or role:emergency or 2 of (x:1, x:2, x:3)")
            .unwrap();
    let words = |held: &[&str]| in_words(&missing(&policy, &AttributeSet::parse(held.iter().copied()).unwrap()));
    assert_eq!(words(&["role:insurer"]), "role:emergency");
    let policy = Policy::parse("(role:cardiologist and site:A and clearance >= 3) or 2 of (x:1, x:2, x:3)").unwrap();
    let words = |held: &[&str]| in_words(&missing(&policy, &AttributeSet::parse(held.iter().copied()).unwrap()));
    assert_eq!(
        words(&["site:A", "clearance=2"]),
        "role:cardiologist and clearance >= 3, or x:1 and x:2, or x:1 and x:3"
    );
    assert_eq!(words(&["site:A", "clearance=3", "role:nurse"]), "role:cardiologist");
    assert_eq!(words(&["x:2"]), "x:1, or x:3");
    assert_eq!(missing(&policy, &AttributeSet::parse(["x:1", "x:2"]).unwrap()), [vec![]]);
    // A policy with 2^50 ways to satisfy it is explained all the same.
    let many: Vec<_> = (0..50).map(|i| format!("(a:{i} or b:{i})")).collect();
    let sets = missing(&Policy::parse(&many.join(" and ")).unwrap(), &AttributeSet::default());
    assert!(sets.len() == 16 && sets.iter().all(|s| s.len() == 50));

    let schema = Schema::new().integer("clearance", 4).unwrap();
    let report = explain(&Policy::parse("a:b and clearance >= 3").unwrap(), &schema, Some((Granularity::Days, 20_778)));
    let expected = "policy  a:b and clearance >= 3\nopens   a:b and clearance >= 3\ncosts   14 rows, 864 bytes of points in the file";
    assert_eq!(report.unwrap().to_string(), expected);
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![any::<u32>().prop_map(Number::Integer), (0_u32..200_000).prop_map(Number::Date)]
}

fn comparison() -> impl Strategy<Value = Policy> {
    ("[a-z][a-z0-9]{2,5}x", number(), 0..5_u8).prop_map(|(name, n, op)| {
        let test = match op {
            0 => Test::Less(n),
            1 => Test::AtMost(n),
            2 => Test::More(n),
            3 => Test::AtLeast(n),
            _ => Test::Between(n, n),
        };
        Policy::comparison(Comparison::new(&name, test).unwrap())
    })
}

fn attribute() -> impl Strategy<Value = Policy> {
    ("[a-z][a-zA-Z0-9_.-]{2,5}x", any::<String>())
        .prop_filter_map("no value", |(name, value)| Attribute::new(&name, &value).ok().map(Policy::attribute))
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![attribute(), comparison()].prop_recursive(5, 40, 5, |inner| {
        (proptest::collection::vec(inner, 1..5), any::<usize>())
            .prop_map(|(parts, k)| Policy::at_least(k % parts.len() + 1, parts).unwrap())
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_back_to_itself(policy in policy()) {
        let text = policy.to_string();
        let back = Policy::parse(&text).unwrap();
        prop_assert_eq!(&back, &policy);
        prop_assert_eq!(back.to_string(), text);
    }

    #[test]
    fn no_text_panics(text in "[ -~äö\u{308}]{0,60}", any in any::<String>()) {
        for text in [text, any] {
            if let Ok(policy) = Policy::parse(&text) {
                prop_assert_eq!(Policy::parse(&policy.to_string()).unwrap(), policy);
            }
        }
    }

    #[test]
    fn comparisons_compile_to_what_they_mean(low in 0_u32..64, high in 0_u32..64, value in 0_u32..64) {
        let set = AttributeSet::parse([format!("n={value}").as_str()]).unwrap();
        for (text, expected) in [
            (format!("n < {low}"), value < low),
            (format!("n <= {low}"), value <= low),
            (format!("n > {low}"), value > low),
            (format!("n >= {low}"), value >= low),
            (format!("n == {low}"), value == low),
            (format!("n in {}..{}", low.min(high), low.max(high)), (low.min(high)..=low.max(high)).contains(&value)),
        ] {
            prop_assert_eq!(satisfies(&Policy::parse(&text).unwrap(), &set), expected);
        }
    }
}
