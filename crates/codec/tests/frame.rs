//! The frame and the primitive items: exactly one encoding each, and nothing else is accepted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::{DecodeError, DecodeErrorKind, Decoder, Encoder, ObjectType, Timestamp, Wire, armor, read_wire};
use proptest::prelude::*;

/// One item of every kind the format has.
#[derive(Clone, Debug, PartialEq)]
struct Everything {
    a: u8,
    b: u16,
    c: u32,
    d: u64,
    e: i64,
    f: bool,
    bytes: Vec<u8>,
    text: String,
    fixed: [u8; 4],
    maybe: Option<u64>,
    list: Vec<String>,
    at: Timestamp,
}

impl Wire for Everything {
    const TYPE: ObjectType = ObjectType::KeyRing;
    const VERSION: u8 = 2;
    const SUITES: &'static [u8] = &[0];
    const MAX_BODY: usize = 4096;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(12).u8(self.a).u16(self.b).u32(self.c).u64(self.d).i64(self.e).bool(self.f);
        e.bytes(&self.bytes).text(&self.text).bytes(&self.fixed);
        e.option(self.maybe, |e, v| {
            e.u64(v);
        });
        e.list(&self.list, |e, v| {
            e.text(v);
        });
        self.at.encode(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(12)?;
        Ok(Self {
            a: d.u8()?,
            b: d.u16()?,
            c: d.u32()?,
            d: d.u64()?,
            e: d.i64()?,
            f: d.bool()?,
            bytes: d.bytes(64)?.to_vec(),
            text: d.text(64)?.to_owned(),
            fixed: d.byte_array()?,
            maybe: d.option(Decoder::u64)?,
            list: d.list(8, |d| Ok(d.text(16)?.to_owned()))?,
            at: Timestamp::decode(d)?,
        })
    }
}

prop_compose! {
    fn everything()(
        (a, b, c, d, e, f) in any::<(u8, u16, u32, u64, i64, bool)>(),
        bytes in prop::collection::vec(any::<u8>(), 0..=64),
        text in "\\PC{0,16}",
        fixed in any::<[u8; 4]>(),
        maybe in any::<Option<u64>>(),
        list in prop::collection::vec("[a-z]{0,16}", 0..=8),
        at in 0..=Timestamp::MAX.millis(),
    ) -> Everything {
        Everything { a, b, c, d, e, f, bytes, text, fixed, maybe, list, at: Timestamp::from_millis(at).unwrap() }
    }
}

proptest! {
    #[test]
    fn round_trip_in_bytes_armor_and_stream(value in everything(), tail in prop::collection::vec(any::<u8>(), 0..8)) {
        let bytes = value.encode();
        prop_assert_eq!(&Everything::decode(&bytes).unwrap(), &value);
        prop_assert_eq!(&armor::decode::<Everything>(armor::encode(&value).as_bytes()).unwrap(), &value);
        let mut stream: Vec<u8> = bytes.clone();
        stream.extend_from_slice(&tail);
        let mut reader = stream.as_slice();
        let (back, raw) = read_wire::<Everything>(&mut reader).unwrap();
        prop_assert_eq!(back, value);
        prop_assert_eq!(raw, bytes);
        prop_assert_eq!(reader, tail.as_slice());
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = vec![0x89, b'M', b'D', b'V', 0x02, 0x10, 2, 0, 0, 0, 0, u8::try_from(body.len()).unwrap()];
        bytes.extend_from_slice(&body);
        if let Ok(value) = Everything::decode(&bytes) {
            prop_assert_eq!(value.encode(), bytes);
        }
        let _ = Everything::decode(&body);
    }

    #[test]
    fn changed_objects_are_refused_or_canonical(value in everything()) {
        mediveil_codec::testing::check_decoding::<Everything>(&value.encode());
    }
}

fn sample() -> Everything {
    Everything {
        a: 1,
        b: 300,
        c: 70_000,
        d: u64::MAX,
        e: -1,
        f: true,
        bytes: vec![7; 3],
        text: "é".into(),
        fixed: [1, 2, 3, 4],
        maybe: None,
        list: vec!["x".into()],
        at: Timestamp::from_millis(0).unwrap(),
    }
}

fn kind(bytes: &[u8]) -> DecodeErrorKind {
    Everything::decode(bytes).unwrap_err().kind
}

#[test]
fn frozen_bytes() {
    mediveil_codec::testing::check_wire(
        &sample(),
        "894d4456 0210 02 00 00000026 8c 01 19012c 1a00011170 1bffffffffffffffff 20 f5 43070707 62c3a9 4401020304 f6 81 6178 00",
    );
}

#[test]
fn each_field_of_the_frame_is_checked_and_named() {
    let good = sample().encode();
    let with = |at: usize, byte: u8| {
        let mut b = good.clone();
        b[at] = byte;
        b
    };
    assert_eq!(kind(&with(0, b'M')), DecodeErrorKind::Magic);
    assert_eq!(kind(&with(4, 1)), DecodeErrorKind::WrongType(0x0110));
    assert_eq!(kind(&with(6, 0)), DecodeErrorKind::Version(0));
    assert_eq!(kind(&with(6, 3)), DecodeErrorKind::Version(3));
    assert_eq!(kind(&with(7, 9)), DecodeErrorKind::Suite(9));
    assert_eq!(kind(&with(8, 0xff)), DecodeErrorKind::BodyTooLong { declared: 0xff00_0026, limit: 4096 });
    assert_eq!(kind(&with(11, 0x27)), DecodeErrorKind::Truncated);
    assert_eq!(kind(&with(11, 0x25)), DecodeErrorKind::Trailing(1));
    assert_eq!(kind(b"PK\x03\x04"), DecodeErrorKind::Magic);
    assert_eq!(kind(b""), DecodeErrorKind::Truncated);
    let other = with(5, 0x01);
    assert_eq!(
        Everything::decode(&other).unwrap_err().to_string(),
        "key-ring: this is another object: identity (at byte 4)"
    );
}

/// An older version decodes, and the value keeps it only if the type says so; here version 1 is re-encoded as 2.
#[test]
fn a_version_that_would_change_on_writing_is_not_canonical() {
    let mut bytes = sample().encode();
    bytes[6] = 1;
    assert_eq!(kind(&bytes), DecodeErrorKind::NotCanonical);
}

#[test]
fn every_second_way_to_write_an_item_is_refused() {
    let frame = |body: &[u8]| {
        let mut b = vec![0x89, b'M', b'D', b'V', 0x02, 0x10, 2, 0, 0, 0, 0, u8::try_from(body.len()).unwrap()];
        b.extend_from_slice(body);
        b
    };
    let not_canonical: &[(&str, &[u8])] = &[
        ("integer with a longer head", &[0x8c, 0x18, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("array with a longer head", &[0x98, 0x0c, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("array of indefinite length", &[0x9f, 0x01, 0xff]),
        ("integer of 64 bits for 16", &[0x8c, 0x01, 0x1b, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
    ];
    for (what, body) in not_canonical {
        assert_eq!(kind(&frame(body)), DecodeErrorKind::NotCanonical, "{what}");
    }
    assert_eq!(
        kind(&frame(&[0x8c, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        DecodeErrorKind::Expected("an integer of 8 bits"),
        "negative"
    );
    assert_eq!(
        kind(&frame(&[0x8c, 0xf9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        DecodeErrorKind::Expected("an integer of 8 bits"),
        "float"
    );
    assert_eq!(
        kind(&frame(&[0x8c, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        DecodeErrorKind::Expected("an integer of 8 bits"),
        "tag"
    );
    assert_eq!(kind(&frame(&[0x8c])), DecodeErrorKind::Truncated, "twelve items in no bytes");
    assert_eq!(
        kind(&frame(&[0x9a, 0xff, 0xff, 0xff, 0xff])),
        DecodeErrorKind::FieldTooLong { found: 0xffff_ffff, limit: 12 }
    );
    assert_eq!(kind(&frame(&[0x82, 1, 1])), DecodeErrorKind::Expected("a record with another number of fields"));
}

#[test]
fn a_stream_that_lies_about_its_length_costs_no_memory_and_is_cut_short() {
    let mut head = sample().encode();
    head.truncate(12);
    head[8..12].copy_from_slice(&4096u32.to_be_bytes());
    let error = read_wire::<Everything>(&mut head.as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "key-ring: the body is cut short (at byte 12)");
}

#[test]
fn armor_has_one_form_up_to_line_ends() {
    let value = Everything { bytes: vec![9; 60], ..sample() };
    let text = armor::encode(&value);
    assert!(text.starts_with("-----BEGIN MEDIVEIL KEY-RING-----\n"));
    assert!(text.lines().all(|l| l.len() <= 64));
    assert!(armor::is_armored(text.as_bytes()));
    let crlf = format!("\n\n{}  \r\n", text.replace('\n', "\r\n"));
    assert_eq!(armor::decode::<Everything>(crlf.as_bytes()).unwrap(), value);
    let bad = [
        text.replace("BEGIN MEDIVEIL KEY-RING", "BEGIN MEDIVEIL IDENTITY"),
        text.replace("-----END", "----END"),
        text.replacen('\n', "\n\n", 1),
        text.replacen('\n', " \n", 2),
        text.replace("iU1E", "iU1*"),
        text.replacen("-----\n", "-----\niU1E\n", 1),
        String::new(),
        "-----BEGIN MEDIVEIL KEY-RING----------END MEDIVEIL KEY-RING-----".into(),
    ];
    for (i, text) in bad.iter().enumerate() {
        assert!(armor::decode::<Everything>(text.as_bytes()).is_err(), "case {i}");
    }
    let long = format!("-----BEGIN MEDIVEIL KEY-RING-----\n{}-----END MEDIVEIL KEY-RING-----", "A".repeat(1 << 20));
    assert!(matches!(
        armor::decode::<Everything>(long.as_bytes()).unwrap_err().kind,
        DecodeErrorKind::BodyTooLong { .. }
    ));
}

/// A body within the body, which can be read in place or kept as bytes.
#[derive(Debug, PartialEq)]
enum Inner {
    Read(u64),
    Kept(Vec<u8>),
}

impl Wire for Inner {
    const TYPE: ObjectType = ObjectType::KeyRing;
    const MAX_BODY: usize = 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        match self {
            Self::Read(n) => e.array(2).u8(0).nested(|e| {
                e.array(1).u64(*n);
            }),
            Self::Kept(bytes) => e.array(2).u8(1).bytes(bytes),
        };
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        if d.u8()? > 0 {
            return Ok(Self::Kept(d.bytes(32)?.to_vec()));
        }
        d.nested(32, |d| {
            d.tuple(1)?;
            Ok(Self::Read(d.u64()?))
        })
    }
}

#[test]
fn a_nested_body_is_read_to_its_end_and_named_by_offset() {
    let value = Inner::Read(300);
    mediveil_codec::testing::check_wire(&value, "894d4456 0210 01 00 00000007 82 00 44 81 19012c");
    let kept = Inner::Kept(vec![0x81, 0x19, 0x01, 0x2c]);
    assert_eq!(kept.encode()[14..], value.encode()[14..], "the same bytes, uninterpreted");
    let frame = |body: &[u8]| {
        let mut b = vec![0x89, b'M', b'D', b'V', 0x02, 0x10, 1, 0, 0, 0, 0, u8::try_from(body.len()).unwrap()];
        b.extend_from_slice(body);
        Inner::decode(&b).unwrap_err()
    };
    let trailing = frame(&[0x82, 0x00, 0x43, 0x81, 0x01, 0x07]);
    assert_eq!((trailing.kind, trailing.offset), (DecodeErrorKind::Trailing(1), 17));
    let short = frame(&[0x82, 0x00, 0x41, 0x81]);
    assert_eq!((short.kind, short.offset), (DecodeErrorKind::Truncated, 16));
    let long_head = frame(&[0x82, 0x00, 0x43, 0x81, 0x18, 0x01]);
    assert_eq!((long_head.kind, long_head.offset), (DecodeErrorKind::NotCanonical, 16));
}
