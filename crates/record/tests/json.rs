//! Reading strictly and writing canonically: RFC 8259, RFC 7493 and RFC 8785, and every bad document by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_record::canonical::to_rfc8785;
use mediveil_record::json::{ParseError, ParseErrorKind as Kind, Value, parse};
use mediveil_record::{BundleType, CanonicalBytes, Limits, NotADouble, Record, RecordError, Resource};
use proptest::prelude::*;

fn read(text: impl AsRef<[u8]>) -> Result<Value, ParseError> {
    parse(text.as_ref(), &Limits::default())
}

fn canonical(text: &str) -> String {
    String::from_utf8(CanonicalBytes::of(&read(text).unwrap()).into_vec()).unwrap()
}

fn rfc8785(text: &str) -> String {
    String::from_utf8(to_rfc8785(&read(text).unwrap()).unwrap()).unwrap()
}

fn refused(text: impl AsRef<[u8]>) -> (Kind, usize, String) {
    let error = read(text).unwrap_err();
    (error.kind, error.offset, error.path)
}

fn record(text: &str) -> Result<Record, RecordError> {
    Record::parse(text.as_bytes(), &Limits::default())
}

/// RFC 8785 §3.2.2 and §3.2.3, and the reference implementation's test data.
const RFC_8785: &[(&str, &str)] = &[
    (
        r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#,
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
         \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
    ),
    (
        r#"{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
            "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}"#,
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\
         \"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
    ),
    (
        r#"{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\u000a": "Newline", "1": "One", "\u0080": "Control\u007f",
            "\ud83d\ude02": "Smiley", "\u00f6": "O", "\ufb33": "Dalet", "</script>": "Browser Challenge"}"#,
        "{\"\\n\":\"Newline\",\"\\r\":\"Carriage Return\",\"1\":\"One\",\"</script>\":\"Browser Challenge\",\
         \"\u{80}\":\"Control\u{7f}\",\"ö\":\"O\",\"€\":\"Euro Sign\",\"😂\":\"Smiley\",\"\u{fb33}\":\"Dalet\"}",
    ),
    (
        r#"{"peach": "This sorting order", "péché": "is wrong according to French", "pêche": "but canonicalization MUST",
            "sin":   "ignore locale"}"#,
        r#"{"peach":"This sorting order","péché":"is wrong according to French","pêche":"but canonicalization MUST","sin":"ignore locale"}"#,
    ),
    (
        r#"{"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { }, "": "empty", "a": { }, "111": [ {"e": "yes","E": "no" } ],
            "A": { }}"#,
        r#"{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}"#,
    ),
    ("[ 56, {\"d\": true, \"10\": null, \"1\": [ ]} ]", r#"[56,{"1":[],"10":null,"d":true}]"#),
    (r#"{"Unnormalized Unicode":"A\u030a"}"#, "{\"Unnormalized Unicode\":\"A\u{30a}\"}"),
];

#[test]
fn plain_export_passes_rfc_8785s_cases() {
    for (input, expected) in RFC_8785 {
        assert_eq!(rfc8785(input), *expected);
    }
}

/// RFC 8785 appendix B: IEEE 754 bits and their form.
#[test]
fn plain_export_writes_numbers_as_ecmascript() {
    let samples = [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ];
    for (bits, expected) in samples {
        // Seventeen significant digits name one double.
        let lexeme = format!("{:.16e}", f64::from_bits(bits));
        let exact = lexeme.parse::<f64>().unwrap();
        assert_eq!(exact.to_bits(), bits, "{lexeme}");
        assert_eq!(rfc8785(&lexeme), expected);
    }
    assert_eq!(to_rfc8785(&read("[1e400]").unwrap()), Err(NotADouble));
}

#[test]
fn canonical_bytes_keep_fhir_lexemes_and_are_rfc_8785_otherwise() {
    assert_eq!(
        canonical("[7.10, 7.1, 7.100, 1E2, 1e+2, -0, 0.0, 12345678901234567890.123]"),
        "[7.10,7.1,7.100,1E2,1e+2,-0,0.0,12345678901234567890.123]"
    );
    assert_eq!(canonical("1e400"), "1e400");
    for (input, expected) in RFC_8785.iter().skip(1) {
        assert_eq!(canonical(input), expected.replace(":56,", if input.contains("56.0") { ":56.0," } else { ":56," }));
    }
    assert_eq!(
        canonical(r#""\u0001\b\t\n\u000b\f\r\u001f\u007f\"\\\/""#),
        "\"\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\\\"\\\\/\""
    );
    // By code units U+1D306 (D834 DF06) comes before U+FB33, by code points after it.
    assert_eq!(canonical("{\"\u{fb33}\":1,\"\u{1d306}\":2}"), "{\"\u{1d306}\":2,\"\u{fb33}\":1}");
}

#[test]
fn bad_json_is_refused_with_its_place() {
    let path = |p: &str| p.to_owned();
    assert_eq!(refused(""), (Kind::Truncated, 0, path("")));
    assert_eq!(refused(r#"{"a":1,"b":{"c":[0,{"d":1,"d":2}]}}"#), (Kind::DuplicateName, 26, path("b.c[1].d")));
    assert_eq!(refused(r#"{"a":1,"\u0061":2}"#), (Kind::DuplicateName, 7, path("a")));
    assert_eq!(refused(r#"{"Jane Doe":1,"Jane Doe":2}"#), (Kind::DuplicateName, 14, path("?")));
    assert_eq!(refused(r#"{"a":[0,"\ud800"]}"#).0, Kind::LoneSurrogate);
    assert_eq!(refused(r#"{"a":"\udc00\ud800"}"#).0, Kind::LoneSurrogate);
    assert_eq!(refused(r#"{"\ud800":1}"#).0, Kind::LoneSurrogate);
    assert_eq!(refused(r#""\ud800\u0041""#).0, Kind::LoneSurrogate);
    assert_eq!(refused(b"{\"a\":\"\xff\"}"), (Kind::NotUtf8, 6, path("")));
    assert_eq!(refused(b"\"\xed\xa0\x80\""), (Kind::NotUtf8, 1, path("")), "a surrogate in UTF-8");
    assert_eq!(refused(b"\"\xc0\x80\""), (Kind::NotUtf8, 1, path("")), "an overlong zero");
    assert_eq!(refused(b"\xef\xbb\xbf{}"), (Kind::ByteOrderMark, 0, path("")));
    assert_eq!(refused(b"\xff\xfe{\0}\0"), (Kind::ByteOrderMark, 0, path("")));
    assert_eq!(refused(r#"{"a":["x","\u0000"]}"#), (Kind::Nul, 10, path("a[1]")));
    assert_eq!(refused(r#"{"a\u0000":1}"#).0, Kind::Nul);
    assert_eq!(refused("\"\0\"").0, Kind::Syntax("a control character that is not escaped"));
    assert_eq!(refused("\"\n\"").0, Kind::Syntax("a control character that is not escaped"));
    assert_eq!(refused("{}\0").0, Kind::Trailing);
    assert_eq!(refused("{} {}"), (Kind::Trailing, 3, path("")));
    assert_eq!(refused("1 2"), (Kind::Trailing, 2, path("")));
    assert_eq!(refused(r#"["\uffff"]"#), (Kind::Noncharacter, 1, path("[0]")));
    assert_eq!(refused("[\"\u{fdd0}\"]").0, Kind::Noncharacter);
    assert_eq!(refused("[\"\u{10fffe}\"]").0, Kind::Noncharacter);
    for cut in ["{", "[", "[1", "[1,", "{\"a\"", "{\"a\":", "{\"a\":1", "\"abc", "\"\\", "tru", "-", "1.", "1e"] {
        let kind = refused(cut).0;
        assert!(matches!(kind, Kind::Truncated | Kind::Syntax(_)), "{cut}: {kind:?}");
    }
    for bad in [
        "[1,]",
        "{\"a\":1,}",
        "[,]",
        "[1 2]",
        "{a:1}",
        "{'a':1}",
        "['a']",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{1:1}",
        "]",
        "}",
        "[}",
        "{]",
        "[1}",
        "01",
        "+1",
        ".5",
        "1.e1",
        "0x10",
        "1_000",
        "--1",
        "NaN",
        "Infinity",
        "-Infinity",
        "True",
        "nul",
        "truefalse",
        "undefined",
        "// comment\n1",
        "/* comment */ 1",
        "[1 /* c */]",
        "# x",
        "\"\\x41\"",
        "\"\\u00g0\"",
        "\"\\u12\"",
        "\"\\u{41}\"",
        "\"\\'\"",
        "\u{a0}1",
        "\u{2028}1",
        "\u{c}1",
        "[1\u{b}]",
        "@",
    ] {
        let kind = refused(bad).0;
        assert!(matches!(kind, Kind::Truncated | Kind::Trailing | Kind::Syntax(_)), "{bad}: {kind:?}");
    }
}

#[test]
fn errors_say_where_and_show_no_value() {
    let error =
        record(r#"{"resourceType":"Patient","name":[{"family":"Secretname","given":["X\ud800"]}]}"#).unwrap_err();
    assert_eq!(error.to_string(), "half a surrogate pair in a string (at byte 68, in name[0].given[0])");
    let error = record(r#"{"resourceType":"Patient","Secret Name":1}"#).unwrap_err();
    assert_eq!(error.to_string(), "a member name that is not a FHIR element name (at byte 26)");
    let error = record(r#"{"resourceType":"Patient","multipleBirthInteger":1e400}"#).unwrap_err();
    let expected = "a number outside 64 bits of digits or 255 decimal places (at byte 49, in multipleBirthInteger)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn limits_hold() {
    let with = |text: &str, limits: Limits| parse(text.as_bytes(), &limits).map_err(|e| (e.kind, e.offset));
    let base = Limits::default();
    // Bytes.
    assert!(with("[1234]", Limits { bytes: 6, ..base }).is_ok());
    assert_eq!(with("[12345]", Limits { bytes: 6, ..base }), Err((Kind::TooLong { found: 7, limit: 6 }, 6)));
    // Depth: the outermost container counts as 1.
    assert!(with("[[[1]]]", Limits { depth: 3, ..base }).is_ok());
    assert_eq!(with("[[[[1]]]]", Limits { depth: 3, ..base }), Err((Kind::TooDeep(3), 3)));
    assert_eq!(with(r#"{"a":{"b":[{}]}}"#, Limits { depth: 3, ..base }), Err((Kind::TooDeep(3), 11)));
    // Whatever the caller sets, 10,000 levels are refused, and nothing overflows the stack.
    for depth in [64, Limits::MAX_DEPTH, usize::MAX] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            for n in [10_000, 1_000_000] {
                let text = format!("{}1{}", open.repeat(n), close.repeat(n));
                let allowed = depth.min(Limits::MAX_DEPTH);
                let error = with(&text, Limits { depth, ..base }).unwrap_err();
                assert_eq!(error, (Kind::TooDeep(allowed), open.len() * allowed));
            }
        }
    }
    let deepest = format!("{}1{}", "[".repeat(Limits::MAX_DEPTH), "]".repeat(Limits::MAX_DEPTH));
    let value = with(&deepest, Limits { depth: usize::MAX, ..base }).unwrap();
    assert_eq!(CanonicalBytes::of(&value).as_bytes(), deepest.as_bytes());
    // Values, containers among them.
    assert!(with("[1,[2]]", Limits { values: 4, ..base }).is_ok());
    assert_eq!(with("[1,[2]]", Limits { values: 3, ..base }), Err((Kind::TooManyValues(3), 4)));
    // Resources.
    let bundle = r#"{"resourceType":"Bundle","type":"batch","entry":[{},{"resource":{"resourceType":"Basic"}}]}"#;
    let parse = |resources| Record::parse(bundle.as_bytes(), &Limits { resources, ..base });
    assert_eq!(parse(2).unwrap().resources().len(), 1);
    assert_eq!(parse(1), Err(RecordError::TooManyResources { found: 2, limit: 1 }));
}

/// Work must grow with the input, not with its square: a test that hangs says no.
#[test]
fn large_flat_input_is_read_in_one_pass() {
    let names: Vec<String> = (0..100_000).map(|i| format!("\"n{i}\":{{\"a\":[{i}]}}")).collect();
    let value = read(format!("{{{}}}", names.join(","))).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 100_000);
    assert_eq!(value.get("n77777").unwrap().get("a").unwrap().as_array().unwrap().len(), 1);
}

#[test]
fn numbers_of_resources_are_those_a_leaf_can_hold() {
    let with = |number: &str| {
        Resource::parse(format!(r#"{{"resourceType":"Basic","x":{number}}}"#).as_bytes(), &Limits::default())
    };
    for good in
        ["0", "-0", "7.10", "9223372036854775807", "-9223372036854775808", "1.1368683772161603E-13", "1e18", "0e400"]
    {
        let resource = with(good).unwrap();
        let bytes = resource.canonical();
        assert!(String::from_utf8_lossy(bytes.as_bytes()).ends_with(&format!(":{good}}}")), "{good}");
        assert_eq!(resource.leaves().len(), 3);
    }
    for bad in ["1e400", "-1e400", "1e-400", "9223372036854775808", "12345678901234567890.5", "1e19"] {
        assert!(matches!(with(bad), Err(RecordError::Json(ParseError { kind: Kind::NumberRange, .. }))), "{bad}");
    }
    // In JSON that is no record they are data like any other.
    assert_eq!(canonical("[1e400, 1e-400]"), "[1e400,1e-400]");
}

#[test]
fn records_are_resources_or_bundles() {
    let single = record(r#"{"resourceType":"Patient","id":"p"}"#).unwrap();
    assert_eq!((single.bundle_type(), single.resources().len()), (None, 1));
    assert_eq!((single.resources()[0].resource_type(), single.resources()[0].id()), ("Patient", Some("p")));
    for (code, kind) in [
        ("transaction", BundleType::Transaction),
        ("batch", BundleType::Batch),
        ("collection", BundleType::Collection),
        ("document", BundleType::Document),
        ("searchset", BundleType::Searchset),
        ("history", BundleType::History),
        ("message", BundleType::Message),
        ("transaction-response", BundleType::TransactionResponse),
        ("batch-response", BundleType::BatchResponse),
    ] {
        let text = format!(
            r#"{{"entry":[{{"fullUrl":"urn:uuid:1","resource":{{"resourceType":"Patient"}},"request":{{"method":"POST"}}}},
                {{"request":{{"method":"DELETE"}}}},{{"resource":{{"resourceType":"Bundle","type":"collection"}}}}],
                "type":"{code}","resourceType":"Bundle"}}"#
        );
        let bundle = record(&text).unwrap();
        assert_eq!(bundle.bundle_type(), Some(kind));
        let shown: Vec<_> = bundle.resources().iter().map(|r| (r.resource_type(), r.full_url())).collect();
        assert_eq!(shown, [("Patient", Some("urn:uuid:1")), ("Bundle", None)]);
        assert_eq!(bundle.of_type("Patient").count(), 1);
    }
    assert_eq!(record(r#"{"resourceType":"Bundle","type":"batch"}"#).unwrap().resources(), []);
    for (bad, place) in [
        ("[]", "the document"),
        ("null", "the document"),
        ("\"Patient\"", "the document"),
        ("{}", "the document"),
        (r#"{"resourceType":5}"#, "the document"),
        (r#"{"resourceType":"patient"}"#, "the document"),
        (r#"{"resourceType":"Pat ient"}"#, "the document"),
        (r#"{"resourceType":""}"#, "the document"),
        (r#"{"resourceType":"Bundle"}"#, "type"),
        (r#"{"resourceType":"Bundle","type":"heap"}"#, "type"),
        (r#"{"resourceType":"Bundle","type":"batch","entry":{}}"#, "entry"),
        (r#"{"resourceType":"Bundle","type":"batch","entry":[1]}"#, "entry[0]"),
        (r#"{"resourceType":"Bundle","type":"batch","entry":[{},{"resource":[]}]}"#, "entry[1].resource"),
        (r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"id":"x"}}]}"#, "entry[0].resource"),
        (r#"{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":1}]}"#, "entry[0].fullUrl"),
    ] {
        match record(bad) {
            Err(RecordError::NotFhir { path, .. }) => assert_eq!(path, place, "{bad}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
    for name in ["", "a.b", "a[0]", "1a", "$digest", "ä", "a b", &"a".repeat(65)] {
        let text = format!(r#"{{"resourceType":"Basic","{name}":1}}"#);
        assert!(
            matches!(record(&text), Err(RecordError::Json(ParseError { kind: Kind::NotAnElementName, .. }))),
            "{name}"
        );
    }
}

/// A JSON value as a tree of our own, to be written in any order and spacing.
#[derive(Clone, Debug)]
enum Tree {
    Atom(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let atom = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ];
    // Any scalar value but U+0000 and noncharacters.
    let text = proptest::collection::vec(any::<char>(), 0..8).prop_map(|chars| {
        let fine = |c: &char| *c != '\0' && u32::from(*c) & 0xfffe != 0xfffe && !('\u{fdd0}'..='\u{fdef}').contains(c);
        chars.into_iter().filter(fine).collect::<String>()
    });
    let leaf = prop_oneof![atom.prop_map(Tree::Atom), text.clone().prop_map(Tree::Text)];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Tree::Array),
            proptest::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|m| Tree::Object(m.into_iter().collect())),
        ]
    })
}

/// Writes with `spaces` between tokens, members rotated by `turn`, and strings escaped wholly where `escape`.
fn render(tree: &Tree, spaces: &str, turn: usize, escape: bool, out: &mut String) {
    let quote = |text: &str, out: &mut String| {
        if escape {
            out.push('"');
            text.encode_utf16().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
            out.push('"');
        } else {
            out.push_str(&serde_json::to_string(text).unwrap());
        }
    };
    match tree {
        Tree::Atom(atom) => out.push_str(atom),
        Tree::Text(text) => quote(text, out),
        Tree::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                out.push_str(spaces);
                render(item, spaces, turn, escape, out);
                out.push_str(spaces);
            }
            out.push(']');
        }
        Tree::Object(members) => {
            out.push('{');
            for i in 0..members.len() {
                let (name, member) = &members[(i + turn) % members.len()];
                out.push_str(if i > 0 { "," } else { "" });
                out.push_str(spaces);
                quote(name, out);
                out.push_str(spaces);
                out.push(':');
                render(member, spaces, turn, escape, out);
            }
            out.push('}');
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn canonical_bytes_do_not_depend_on_order_spaces_and_escapes(tree in tree(), turn in 0_usize..6) {
        let (mut plain, mut other) = (String::new(), String::new());
        render(&tree, "", 0, false, &mut plain);
        render(&tree, " \t\r\n", turn, true, &mut other);
        let once = canonical(&plain);
        prop_assert_eq!(&once, &canonical(&other));
        prop_assert_eq!(&once, &canonical(&once), "idempotent");
        prop_assert_eq!(read(&plain).unwrap(), read(&once).unwrap());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&bytes);
    }

    /// Nearly JSON: tokens in any order.
    #[test]
    fn no_tokens_make_the_parser_panic(tokens in proptest::collection::vec(0_usize..16, 0..24)) {
        const TOKENS: [&str; 16] = ["{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "1", "-1.5e3", "null", "true", " ", "\"\\u", "\\", "\"resourceType\":\"Basic\""];
        let text: String = tokens.iter().map(|t| TOKENS[*t]).collect();
        if let Ok(value) = read(&text) {
            let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
            let ours: serde_json::Value = serde_json::from_slice(CanonicalBytes::of(&value).as_bytes()).unwrap();
            prop_assert_eq!(ours, reference);
        } else if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            // What we refuse and serde_json accepts is a repeated name.
            prop_assert!(matches!(read(&text).unwrap_err().kind, Kind::DuplicateName));
        }
        let _ = record(&text);
    }

    #[test]
    fn the_order_of_members_does_not_change_a_commitment(tree in tree(), turn in 1_usize..6) {
        let members = match tree {
            Tree::Object(members) => members.into_iter().map(|(_, m)| m).collect(),
            Tree::Array(items) => items,
            other => vec![other],
        };
        let named: Vec<_> = members.into_iter().enumerate().map(|(i, m)| (format!("m{i}"), rename(m))).collect();
        let text = |turn, spaces| {
            let mut out = String::new();
            let mut all = vec![("resourceType".to_owned(), Tree::Text("Basic".to_owned()))];
            all.extend(named.iter().cloned());
            render(&Tree::Object(all), spaces, turn, false, &mut out);
            out
        };
        let (a, b) = (record(&text(0, "")), record(&text(turn, " ")));
        if let (Ok(a), Ok(b)) = (&a, &b) {
            prop_assert_eq!(a.resources()[0].leaves(), b.resources()[0].leaves());
            prop_assert_eq!(a.resources()[0].digest(), b.resources()[0].digest());
        }
        prop_assert_eq!(a.is_ok(), b.is_ok());
    }
}

/// The same tree with element names, so that it can stand in a resource.
fn rename(tree: Tree) -> Tree {
    match tree {
        Tree::Array(items) => Tree::Array(items.into_iter().map(rename).collect()),
        Tree::Object(members) => {
            Tree::Object(members.into_iter().enumerate().map(|(i, (_, m))| (format!("n{i}"), rename(m))).collect())
        }
        other => other,
    }
}

/// The public sample bundles, where they are present.
#[test]
fn real_bundles_are_read_whole() {
    let Ok(directory) = std::fs::read_dir("../../../shared/data/fhir") else { return };
    let mut bundles = 0;
    for file in directory.map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json")) {
        let bytes = std::fs::read(&file).unwrap();
        let record = Record::parse(&bytes, &Limits::default()).unwrap();
        let reference: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let entries = reference["entry"].as_array().unwrap();
        assert_eq!(record.resources().len(), entries.len());
        assert_eq!(record.of_type("Patient").count(), 1);
        for (resource, entry) in record.resources().iter().zip(entries) {
            let canonical = resource.canonical();
            let again: serde_json::Value = serde_json::from_slice(canonical.as_bytes()).unwrap();
            assert_eq!(again, entry["resource"]);
            assert_eq!(resource.full_url(), entry["fullUrl"].as_str());
            let reread = Resource::parse(canonical.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(reread.canonical(), canonical);
            let plain: serde_json::Value = serde_json::from_slice(&resource.to_rfc8785().unwrap()).unwrap();
            assert_eq!(plain.as_object().unwrap().len(), again.as_object().unwrap().len());
            assert!((3..=512).contains(&resource.leaves().len()));
        }
        bundles += 1;
    }
    assert!(bundles > 0);
}
