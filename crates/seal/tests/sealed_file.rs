//! A sealed file opens for its readers and for nobody else, and any change to it is found.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::{Wire, read_wire};
use mediveil_rng::{Rng, SeededRng};
use mediveil_seal::identity::{SealingKem, SealingKey, SealingPublicKey, SigningKey};
use mediveil_seal::{
    ContentKey, Context, CoreHeader, DoorKind, Doors, Hinted, MAX_DOORS, OpenError, OpenReader, Opener, Opening,
    Passphrase, Recipient, RefusalReason, Rewrap, RewrapError, SEGMENT_LEN, SealError, Sealer, SeekReader, Stanza,
    Suite, WrapError, inspect, open, open_into, read_doors,
};
use proptest::prelude::*;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

const TAG: usize = 16;
const SEALED: usize = SEGMENT_LEN + TAG;

fn rng() -> SeededRng {
    SeededRng::from_u64(7)
}

fn p256(seed: u64) -> SealingKey {
    SealingKey::generate(SealingKem::P256, &mut SeededRng::from_u64(seed))
}

fn xwing(seed: u64) -> SealingKey {
    SealingKey::generate(SealingKem::XWing, &mut SeededRng::from_u64(seed))
}

fn cheap(text: &str) -> Passphrase {
    Passphrase::new(text).with_iterations(Passphrase::MIN_ITERATIONS).unwrap()
}

fn text(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SeededRng::from_u64(len as u64).fill_bytes(&mut bytes);
    bytes
}

/// Where core header and doors end.
fn head_len(sealed: &[u8]) -> usize {
    let mut rest = sealed;
    read_wire::<CoreHeader>(&mut rest).unwrap();
    read_wire::<Doors>(&mut rest).unwrap();
    sealed.len() - rest.len()
}

/// Every way of reading must agree.
fn open_all_ways(sealed: &[u8], opener: &dyn Opener) -> Result<Vec<u8>, OpenError> {
    let whole = open(sealed, &[opener]).map(|o| o.plaintext.to_vec());
    let mut streamed = Vec::new();
    let stream = OpenReader::new(sealed, &[opener])
        .and_then(|mut r| r.read_to_end(&mut streamed).map(|_| streamed).map_err(OpenError::from));
    let mut appended = b"before".to_vec();
    let into = open_into(sealed, &[opener], &mut appended);
    match &whole {
        Ok(plain) => assert!(into.is_ok() && appended[..6] == *b"before" && appended[6..] == plain[..]),
        Err(e) => assert!(into.unwrap_err().to_string() == e.to_string() && appended == b"before"),
    }
    let mut copied = Vec::new();
    let copy = OpenReader::new(sealed, &[opener]).and_then(|r| r.copy_to(&mut copied)).map(|_| copied);
    match (&whole, &stream, &copy) {
        (Ok(a), Ok(b), Ok(c)) => assert!(a == b && a == c),
        (Err(a), Err(b), Err(c)) => {
            assert_eq!(a.to_string(), b.to_string());
            assert_eq!(a.to_string(), c.to_string());
        }
        other => panic!("the ways of reading disagree: {other:?}"),
    }
    whole
}

#[test]
fn every_length_round_trips_under_both_suites_signed_or_not() {
    let alice = p256(1);
    let author = SigningKey::generate(&mut rng());
    let lengths = [0, 1, 2, SEGMENT_LEN - 1, SEGMENT_LEN, SEGMENT_LEN + 1, 2 * SEGMENT_LEN, 3 * SEGMENT_LEN + 17];
    for suite in [Suite::ChaCha20Poly1305, Suite::Aes256Gcm] {
        for len in lengths {
            let plain = text(len);
            for signed in [false, true] {
                let public = alice.public();
                let mut sealer = Sealer::new().suite(suite).to(&public);
                if signed {
                    sealer = sealer.author(&author);
                }
                let sealed = sealer.seal(&plain, &mut rng()).unwrap();
                assert_eq!(open_all_ways(&sealed, &alice).unwrap(), plain);
                let author_found = open(&sealed, &[&alice]).unwrap().author;
                assert_eq!(author_found, signed.then(|| author.verifying_key()));
                // The stream makes the same bytes, however the plaintext arrives.
                for piece in [1usize, 7, 4096, SEGMENT_LEN - 1, SEGMENT_LEN, SEGMENT_LEN + 1, usize::MAX] {
                    if piece == 1 && len > 100 {
                        continue;
                    }
                    let mut writer = sealer.writer(Vec::new(), &mut rng()).unwrap();
                    for chunk in plain.chunks(piece) {
                        writer.write_all(chunk).unwrap();
                    }
                    assert!(writer.finish().unwrap() == sealed, "{len} bytes in pieces of {piece}");
                }
                let mut copied = Vec::new();
                assert_eq!(sealer.copy(&mut plain.as_slice(), &mut copied, &mut rng()).unwrap(), len as u64);
                assert!(copied == sealed);
            }
        }
    }
}

#[test]
fn overhead_is_below_three_hundredths_of_a_percent() {
    let plain = vec![0; 8 << 20];
    let sealed = Sealer::new().to(&p256(1).public()).seal(&plain, &mut rng()).unwrap();
    let overhead = sealed.len() - plain.len();
    assert_eq!(overhead, head_len(&sealed) + plain.len() / SEGMENT_LEN * TAG);
    assert!(overhead * 10_000 <= plain.len() * 3, "{overhead} bytes");
}

#[test]
fn each_reader_opens_and_a_stranger_does_not() {
    let (alice, bob, stranger) = (p256(1), xwing(2), p256(3));
    let sealed = Sealer::new()
        .to(&alice.public())
        .to(&bob.public())
        .to(&cheap("Zoë's llamas"))
        .to(&Hinted(&p256(4).public()))
        .seal(b"record", &mut rng())
        .unwrap();
    for opener in [&alice as &dyn Opener, &bob, &cheap("Zoe\u{308}'s llamas"), &p256(4)] {
        assert_eq!(open_all_ways(&sealed, opener).unwrap(), b"record");
    }
    for opener in [&stranger as &dyn Opener, &xwing(5), &cheap("Zoe's llamas")] {
        let error = open_all_ways(&sealed, opener).unwrap_err();
        assert!(
            matches!(&error, OpenError::NoDoor { refusals, .. } if refusals.iter().all(|r| r.reason == RefusalReason::WrongKey))
        );
    }
    let error = open(&sealed, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of the keys given opens this file (its doors: hpke-p256, hpke-xwing, passphrase)"
    );
    assert_eq!(*open(&sealed, &[&stranger, &bob]).unwrap().plaintext, b"record");
}

#[test]
fn every_changed_byte_and_every_cut_is_found() {
    let alice = p256(1);
    let author = SigningKey::generate(&mut rng());
    for sealer in [
        Sealer::new().to(&alice.public()),
        Sealer::new().to(&alice.public()).author(&author).suite(Suite::Aes256Gcm).context(b"ctx").unwrap(),
    ] {
        let sealed = sealer.seal(&text(100), &mut rng()).unwrap();
        for at in 0..sealed.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut bad = sealed.clone();
                bad[at] ^= mask;
                assert!(open_all_ways(&bad, &alice).is_err(), "byte {at} xor {mask:02x}");
                let seek = SeekReader::new(Cursor::new(&bad), &[&alice]).and_then(|mut r| r.verify_author().map(|_| r));
                assert!(seek.is_err(), "byte {at} xor {mask:02x}, by range");
            }
        }
        for len in 0..sealed.len() {
            assert!(open_all_ways(&sealed[..len], &alice).is_err(), "cut to {len}");
            assert!(SeekReader::new(Cursor::new(&sealed[..len]), &[&alice]).is_err(), "cut to {len}, by range");
        }
        let longer = [&sealed[..], &[0]].concat();
        assert!(open_all_ways(&longer, &alice).is_err());
        let twice = [&sealed[..], &sealed[..]].concat();
        assert!(open_all_ways(&twice, &alice).is_err());
    }
}

/// Segments are rearranged with everything else whole.
#[test]
fn segments_swapped_dropped_repeated_reordered_or_cut_are_found() {
    let alice = p256(1);
    let author = SigningKey::generate(&mut rng());
    for sealer in [Sealer::new().to(&alice.public()), Sealer::new().to(&alice.public()).author(&author)] {
        let sealed = sealer.seal(&text(4 * SEGMENT_LEN), &mut rng()).unwrap();
        let (head, body) = sealed.split_at(head_len(&sealed));
        let (segments, trailer) = body.split_at(4 * SEALED);
        let s: Vec<&[u8]> = segments.chunks(SEALED).collect();
        let build = |order: &[usize]| {
            let mut out = head.to_vec();
            order.iter().for_each(|i| out.extend_from_slice(s[*i]));
            out.extend_from_slice(trailer);
            out
        };
        assert!(open(&build(&[0, 1, 2, 3]), &[&alice]).is_ok());
        let orders: &[&[usize]] = &[
            &[1, 0, 2, 3],
            &[0, 2, 1, 3],
            &[3, 2, 1, 0],
            &[0, 1, 3],
            &[1, 2, 3],
            &[0, 1, 2],
            &[3],
            &[],
            &[0, 0, 1, 2, 3],
            &[0, 1, 2, 3, 3],
            &[0, 1, 2, 3, 0],
            &[0, 1, 1, 3],
        ];
        for order in orders {
            let bad = build(order);
            assert!(matches!(open_all_ways(&bad, &alice), Err(OpenError::Tampered)), "{order:?}");
            // The last segment may be in place; then the range that was touched is refused.
            let mut out = vec![0; 4 * SEGMENT_LEN];
            let by_range = SeekReader::new(Cursor::new(&bad), &[&alice]).and_then(|mut r| r.read_at(0, &mut out));
            assert!(matches!(by_range, Err(OpenError::Tampered)), "{order:?} by range");
        }
    }
}

#[test]
fn parts_of_another_file_are_refused() {
    let alice = p256(1);
    let author = SigningKey::generate(&mut rng());
    let seal = |seed: u64, context: &[u8]| {
        Sealer::new()
            .to(&alice.public())
            .author(&author)
            .context(context)
            .unwrap()
            .seal(&text(200), &mut SeededRng::from_u64(seed))
            .unwrap()
    };
    // Of one length, so that only cryptography can tell them apart.
    let (a, b) = (seal(1, b"one"), seal(2, b"two"));
    let split = |sealed: &[u8]| {
        let mut rest = sealed;
        let core = read_wire::<CoreHeader>(&mut rest).unwrap().1;
        let doors = read_wire::<Doors>(&mut rest).unwrap().1;
        let (segments, trailer) = rest.split_at(200 + TAG);
        [core, doors, segments.to_vec(), trailer.to_vec()]
    };
    let (parts_a, parts_b) = (split(&a), split(&b));
    for mix in 0..16usize {
        let file: Vec<u8> =
            (0..4).flat_map(|i| if mix >> i & 1 == 0 { parts_a[i].clone() } else { parts_b[i].clone() }).collect();
        assert_eq!(open_all_ways(&file, &alice).is_ok(), mix == 0 || mix == 15, "mix {mix:04b}");
    }
    // A new context, with everything else kept.
    let core = CoreHeader::decode(&parts_a[0]).unwrap().encode();
    let at = core.windows(3).position(|w| w == b"one").unwrap();
    let mut other = a.clone();
    other[at..at + 3].copy_from_slice(b"two");
    assert!(open_all_ways(&other, &alice).is_err());
}

/// A recipient whose door holds a content key that is not the file's.
struct Liar(SealingPublicKey);

impl Recipient for Liar {
    fn kind(&self) -> DoorKind {
        self.0.kind()
    }
    fn wrap(
        &self,
        _: &ContentKey,
        context: &Context,
        rng: &mut dyn mediveil_rng::CryptoRng,
    ) -> Result<Stanza, WrapError> {
        self.0.wrap(&ContentKey::from_bytes([9; 32]), context, rng)
    }
}

/// Round the door: an opener that hands out a wrong key without any check of its own.
struct BlindOpener;

impl Opener for BlindOpener {
    fn open_stanza(&self, _: &Stanza, _: &Context) -> Opening {
        Opening::Opened(ContentKey::from_bytes([9; 32]))
    }
}

#[test]
fn a_content_key_that_the_header_does_not_commit_to_is_refused_before_decryption() {
    let (alice, bob) = (p256(1), p256(2));
    let sealed = Sealer::new().to(&alice.public()).to(&Liar(bob.public())).seal(b"record", &mut rng()).unwrap();
    assert!(open(&sealed, &[&alice]).is_ok());
    assert!(matches!(open_all_ways(&sealed, &bob), Err(OpenError::Tampered)));
    assert!(matches!(open_all_ways(&sealed, &BlindOpener), Err(OpenError::Tampered)));
}

/// Below the file: a stanza of each kind opens in the file it was made for and in no other.
#[test]
fn a_stanza_belongs_to_one_file() {
    let (classic, hybrid, phrase) = (p256(1), xwing(2), cheap("x"));
    let (classic_public, hybrid_public) = (classic.public(), hybrid.public());
    let doors: [(&dyn Recipient, &dyn Opener); 4] = [
        (&classic_public, &classic),
        (&hybrid_public, &hybrid),
        (&Hinted(&classic_public), &classic),
        (&phrase, &phrase),
    ];
    let key = ContentKey::from_bytes([3; 32]);
    let (here, there) = (Context::new([1; 32], vec![]), Context::new([2; 32], vec![]));
    for (recipient, opener) in doors {
        let stanza = recipient.wrap(&key, &here, &mut rng()).unwrap();
        match opener.open_stanza(&stanza, &here) {
            Opening::Opened(opened) => assert_eq!(opened.expose(), key.expose()),
            other => panic!("{}: {other:?}", stanza.kind),
        }
        assert!(matches!(opener.open_stanza(&stanza, &there), Opening::Refused(_)), "{}", stanza.kind);
    }
}

#[test]
fn a_list_of_doors_that_nobody_inside_wrote_is_refused() {
    let (alice, bob) = (p256(1), p256(2));
    let sealed = Sealer::new().to(&alice.public()).to(&bob.public()).seal(b"record", &mut rng()).unwrap();
    let mut rest = sealed.as_slice();
    let core = read_wire::<CoreHeader>(&mut rest).unwrap().1;
    let (doors, doors_bytes) = read_wire::<Doors>(&mut rest).unwrap();
    // The doors are valid one by one: dropping or swapping whole stanzas, with the old MAC, must fail.
    let mac = &doors_bytes[doors_bytes.len() - 32..];
    let with = |stanzas: &[Stanza]| {
        let body: Vec<u8> = stanzas
            .iter()
            .flat_map(|s| {
                let kind = s.kind.as_str().as_bytes();
                let mut out = vec![0x82, 0x60 | u8::try_from(kind.len()).unwrap()];
                out.extend_from_slice(kind);
                out.extend_from_slice(&[0x58, u8::try_from(s.body.len()).unwrap()]);
                out.extend_from_slice(&s.body);
                out
            })
            .collect();
        let body = [&[0x82, 0x80 | u8::try_from(stanzas.len()).unwrap()], &body[..], &[0x58, 0x20], mac].concat();
        let mut out = doors_bytes[..8].to_vec();
        out.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&body);
        [&core[..], &out, rest].concat()
    };
    let [a, b] = doors.stanzas() else { panic!("two doors") };
    assert!(with(&[a.clone(), b.clone()]) == sealed, "the test builds the format");
    for list in
        [vec![a.clone()], vec![b.clone(), a.clone()], vec![a.clone(), a.clone()], vec![a.clone(), b.clone(), b.clone()]]
    {
        assert!(matches!(open_all_ways(&with(&list), &alice), Err(OpenError::Tampered)));
    }
}

#[test]
fn ten_thousand_stanzas_are_refused_and_a_thousand_are_read() {
    let alice = p256(1);
    let public = alice.public();
    let mut sealer = Sealer::new();
    for _ in 0..MAX_DOORS {
        sealer = sealer.to(&public);
    }
    assert!(matches!(sealer.to(&public).seal(b"", &mut rng()), Err(SealError::TooManyDoors)));
    let frame = |count: u16| {
        let mut body = vec![0x82, 0x99];
        body.extend_from_slice(&count.to_be_bytes());
        for _ in 0..count {
            body.extend_from_slice(&[0x82, 0x61, b'x', 0x40]);
        }
        body.extend_from_slice(&[0x58, 0x20]);
        body.extend_from_slice(&[0; 32]);
        let mut out = vec![0x89, b'M', b'D', b'V', 1, 2, 1, 0];
        out.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&body);
        out
    };
    assert_eq!(Doors::decode(&frame(1024)).unwrap().stanzas().len(), 1024);
    assert!(Doors::decode(&frame(10_000)).unwrap_err().to_string().contains("over the limit of 1024"));
}

#[test]
fn passphrase_costs_are_bounded_on_both_sides() {
    for bad in [0, 1, Passphrase::MIN_ITERATIONS - 1, Passphrase::MAX_ITERATIONS + 1, u32::MAX] {
        assert!(Passphrase::new("x").with_iterations(bad).is_err(), "{bad}");
    }
    let sealed = Sealer::new().to(&cheap("x")).seal(b"", &mut rng()).unwrap();
    let count = Passphrase::MIN_ITERATIONS.to_be_bytes();
    let at = sealed.windows(4).position(|w| w == count).unwrap();
    for (iterations, reason) in [
        (0, RefusalReason::Malformed),
        (99_999, RefusalReason::Malformed),
        (10_000_001, RefusalReason::TooCostly),
        (u32::MAX, RefusalReason::TooCostly),
        (100_001, RefusalReason::WrongKey),
    ] {
        let mut bad = sealed.clone();
        bad[at..at + 4].copy_from_slice(&u32::to_be_bytes(iterations));
        match open(&bad, &[&cheap("x")]) {
            Err(OpenError::NoDoor { refusals, .. }) => assert_eq!(refusals[0].reason, reason, "{iterations}"),
            other => panic!("{iterations}: {other:?}"),
        }
    }
    assert!(matches!(
        Sealer::new().to(&cheap("x")).to(&cheap("y")).seal(b"", &mut rng()),
        Err(SealError::SecondPassphrase)
    ));
}

#[test]
fn nobody_is_not_a_recipient_and_contexts_are_bounded() {
    assert!(matches!(Sealer::new().seal(b"", &mut rng()), Err(SealError::NoDoors)));
    assert!(Sealer::new().context(&[0; 4096]).is_ok());
    assert!(matches!(Sealer::new().context(&[0; 4097]), Err(SealError::ContextTooLong)));
}

#[test]
fn rewrap_changes_doors_and_nothing_else() {
    let (alice, bob, carol) = (p256(1), p256(2), xwing(3));
    let plain = text(2 * SEGMENT_LEN + 5);
    let sealed = Sealer::new().to(&alice.public()).to(&cheap("x")).seal(&plain, &mut rng()).unwrap();
    let run = |from: &[u8], change: &Rewrap<'_>, with: &dyn Opener| {
        let mut out = Vec::new();
        change.run(&mut &*from, &mut out, &[with], &mut SeededRng::from_u64(99)).map(|n| (n, out))
    };
    let (bob_public, carol_public) = (bob.public(), carol.public());
    let change = Rewrap::new().to(&bob_public).to(&carol_public).drop_kind(DoorKind::PASSPHRASE);
    let (count, shared) = run(&sealed, &change, &alice).unwrap();
    assert_eq!(count, 3);
    assert!(shared[head_len(&shared)..] == sealed[head_len(&sealed)..], "segments are untouched");
    let core_len = {
        let mut rest = sealed.as_slice();
        read_wire::<CoreHeader>(&mut rest).unwrap().1.len()
    };
    assert!(shared[..core_len] == sealed[..core_len], "the core header is untouched");
    for opener in [&alice as &dyn Opener, &bob, &carol] {
        assert_eq!(open_all_ways(&shared, opener).unwrap(), plain);
    }
    assert!(matches!(open(&shared, &[&cheap("x")]), Err(OpenError::NoDoor { .. })));
    let (_, without) = run(&shared, &Rewrap::new().drop_index(0), &carol).unwrap();
    assert!(matches!(open(&without, &[&alice]), Err(OpenError::NoDoor { .. })));
    assert_eq!(open_all_ways(&without, &bob).unwrap(), plain);

    assert!(matches!(run(&sealed, &change, &bob), Err(RewrapError::Open(OpenError::NoDoor { .. }))));
    let all = Rewrap::new().drop_where(|_, _| true);
    assert!(matches!(run(&sealed, &all, &alice), Err(RewrapError::Seal(SealError::NoDoors))));
    let (x, y) = (cheap("y"), cheap("z"));
    let second = Rewrap::new().to(&x).to(&y);
    assert!(matches!(run(&shared, &second, &alice), Err(RewrapError::Seal(SealError::SecondPassphrase))));
}

#[test]
fn inspect_tells_what_anybody_can_see() {
    let author = SigningKey::generate(&mut rng());
    let sealed = Sealer::new()
        .to(&p256(1).public())
        .to(&cheap("x"))
        .context(b"ward 3")
        .unwrap()
        .author(&author)
        .suite(Suite::Aes256Gcm)
        .seal(&text(70_000), &mut rng())
        .unwrap();
    let seen = inspect(&mut Cursor::new(&sealed)).unwrap();
    assert_eq!(seen.suite, Suite::Aes256Gcm);
    assert!(seen.signed);
    assert_eq!(seen.context, b"ward 3");
    assert_eq!(seen.plaintext_len, Some(70_000));
    assert_eq!(seen.segments, 2);
    assert_eq!(seen.sealed_len, sealed.len() as u64);
    assert_eq!(seen.head_len, head_len(&sealed) as u64);
    let kinds: Vec<_> = seen.doors.iter().map(|d| d.kind.as_str()).collect();
    assert_eq!(kinds, ["hpke-p256", "passphrase"]);
    assert!(matches!(inspect(&mut Cursor::new(b"PK\x03\x04")), Err(OpenError::Malformed(_))));

    // The head alone is enough to see the doors, and what they are bound to.
    let mut rest = &sealed[..];
    let (context, stanzas) = read_doors(&mut rest).unwrap();
    assert_eq!(sealed.len() - rest.len(), head_len(&sealed));
    assert_eq!(context.caller(), b"ward 3");
    assert!(stanzas.iter().zip(&seen.doors).all(|(s, d)| s.kind == d.kind && s.body == d.body));
    assert_eq!(stanzas.len(), 2);
    let core_len = 12 + usize::from(u16::from_be_bytes([sealed[10], sealed[11]]));
    assert_eq!(context.core_digest()[..], <sha2::Sha256 as sha2::Digest>::digest(&sealed[..core_len])[..]);
    assert!(matches!(read_doors(&mut &sealed[..core_len]), Err(OpenError::Malformed(_) | OpenError::Io(_))));
}

/// Two files for one reader have nothing in common unless a hint was asked for.
#[test]
fn doors_do_not_link_readers_unless_hinted() {
    let alice = p256(1).public();
    let body = |recipient: &dyn Recipient, seed| {
        let sealed = Sealer::new().to(recipient).seal(b"", &mut SeededRng::from_u64(seed)).unwrap();
        inspect(&mut Cursor::new(sealed)).unwrap().doors[0].body.clone()
    };
    let (a, b) = (body(&alice, 1), body(&alice, 2));
    assert_eq!(a[..2], [0, 4], "no hint, then an uncompressed point");
    assert!(a[2..].iter().zip(&b[2..]).filter(|(x, y)| x == y).count() < 12, "chance alone");
    let (a, b) = (body(&Hinted(&alice), 1), body(&Hinted(&alice), 2));
    assert_eq!(a[..9], b[..9]);
    assert_eq!(a[0], 1);
}

/// Counts the bytes that are read.
struct Counting<R>(R, std::rc::Rc<std::cell::Cell<u64>>);

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(out)?;
        self.1.set(self.1.get() + n as u64);
        Ok(n)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn one_byte_costs_the_head_and_at_most_two_segments() {
    let alice = p256(1);
    let plain = text(40 * SEGMENT_LEN + 1);
    let sealed = Sealer::new().to(&alice.public()).seal(&plain, &mut rng()).unwrap();
    let head = head_len(&sealed) as u64;
    for offset in [0, 1, 20 * SEGMENT_LEN + 7, 40 * SEGMENT_LEN - 1, 40 * SEGMENT_LEN] {
        let read = std::rc::Rc::default();
        let mut reader = SeekReader::new(Counting(Cursor::new(&sealed), std::rc::Rc::clone(&read)), &[&alice]).unwrap();
        let mut byte = [0];
        assert_eq!(reader.read_at(offset as u64, &mut byte).unwrap(), 1);
        assert_eq!(byte[0], plain[offset]);
        assert!(read.get() <= head + 2 * SEALED as u64, "{} bytes", read.get());
    }
}

#[test]
fn a_file_that_was_cut_at_a_segment_shows_no_false_length() {
    let alice = p256(1);
    let sealed = Sealer::new().to(&alice.public()).seal(&text(3 * SEGMENT_LEN), &mut rng()).unwrap();
    let cut = &sealed[..sealed.len() - SEALED];
    assert!(matches!(SeekReader::new(Cursor::new(cut), &[&alice]), Err(OpenError::Tampered)));
}

/// The signature holds the plaintext to its author even against a reader, who knows the content key.
#[test]
fn a_reader_cannot_write_in_the_authors_name() {
    let alice = p256(1);
    let (author, other) = (SigningKey::generate(&mut rng()), SigningKey::generate(&mut SeededRng::from_u64(8)));
    let public = alice.public();
    let signed = Sealer::new().to(&public).author(&author).seal(&text(300), &mut rng()).unwrap();
    // With the same randomness the forger gets the same content key and core header, and may write any segment.
    let forged = Sealer::new().to(&public).author(&other).seal(&text(301)[..300], &mut rng()).unwrap();
    assert_eq!(signed.len(), forged.len());
    let cut = signed.len() - 113;
    let mixed = [&forged[..cut], &signed[cut..]].concat();
    assert!(matches!(open_all_ways(&mixed, &alice), Err(OpenError::Tampered)));
    assert_eq!(open(&forged, &[&alice]).unwrap().author, Some(other.verifying_key()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_range_is_what_was_sealed(
        len in 0usize..3 * SEGMENT_LEN,
        from in 0usize..4 * SEGMENT_LEN,
        take in 0usize..2 * SEGMENT_LEN,
    ) {
        let alice = p256(1);
        let plain = text(len);
        let sealed = Sealer::new().to(&alice.public()).seal(&plain, &mut rng()).unwrap();
        let mut reader = SeekReader::new(Cursor::new(&sealed), &[&alice]).unwrap();
        prop_assert_eq!(reader.plaintext_len(), len as u64);
        let expected = &plain[from.min(len)..(from + take).min(len)];
        let mut out = vec![0; take];
        let n = reader.read_at(from as u64, &mut out).unwrap();
        prop_assert!(out[..n] == *expected);
        reader.seek(SeekFrom::Start(from as u64)).unwrap();
        let mut again = Vec::new();
        reader.by_ref().take(take as u64).read_to_end(&mut again).unwrap();
        prop_assert!(again == *expected);
        prop_assert!(reader.seek(SeekFrom::End(-1 - i64::try_from(len).unwrap())).is_err());
    }

    #[test]
    fn any_bytes_at_all_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(open(&bytes, &[&BlindOpener]).is_err());
        prop_assert!(inspect(&mut Cursor::new(&bytes)).is_err());
    }
}
