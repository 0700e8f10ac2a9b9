//! The sealed-file reader, with a key that opens: the input is a script of changes to a valid file, so that the fuzzer
//! gets past the key commitment.

use mediveil_rng::SeededRng;
use mediveil_seal::identity::{SealingKem, SealingKey, SigningKey};
use mediveil_seal::{OpenReader, Opener, SEGMENT_LEN, Sealer, SeekReader, inspect, open};
use std::io::{Cursor, Read};
use std::sync::OnceLock;

/// The key that opens the files of this target.
#[must_use]
pub fn reader() -> SealingKey {
    SealingKey::generate(SealingKem::P256, &mut SeededRng::from_u64(1))
}

/// A valid signed file of two segments and a bit.
///
/// # Panics
/// Never, unless sealing is broken.
#[must_use]
pub fn sample_file() -> Vec<u8> {
    let mut rng = SeededRng::from_u64(2);
    let author = SigningKey::generate(&mut rng);
    let plain: Vec<u8> = (0..2 * SEGMENT_LEN + 77).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect();
    match Sealer::new().to(&reader().public()).author(&author).seal(&plain, &mut rng) {
        Ok(sealed) => sealed,
        Err(e) => panic!("sealing failed: {e}"),
    }
}

/// Applies the script in `data` to the file: three bytes a change, an operation and a place.
pub(crate) fn apply(file: &mut Vec<u8>, data: &[u8]) {
    for change in data.chunks_exact(4).take(64) {
        let [op, a, b, c] = change else { continue };
        let place = usize::from(u16::from_be_bytes([*a, *b])).saturating_mul(usize::from(*op >> 4).saturating_add(1));
        match op % 6 {
            0 => {
                if let Some(byte) = file.get_mut(place) {
                    *byte ^= c;
                }
            }
            1 => file.truncate(place),
            2 => file.push(*c),
            3 => {
                if place < file.len() {
                    file.insert(place, *c);
                }
            }
            4 => {
                if place < file.len() {
                    file.remove(place);
                }
            }
            _ => {
                let end = place.saturating_add(usize::from(*c)).min(file.len());
                if let Some(piece) = file.get(place..end).map(<[u8]>::to_vec) {
                    file.extend_from_slice(&piece);
                }
            }
        }
    }
}

/// A changed file is refused by every way of reading, or it is the valid file and all ways agree on its content.
pub fn sealed_file(data: &[u8]) {
    static FILE: OnceLock<(Vec<u8>, SealingKey)> = OnceLock::new();
    let (valid, key) = FILE.get_or_init(|| (sample_file(), reader()));
    let mut file = valid.clone();
    apply(&mut file, data);
    let openers: [&dyn Opener; 1] = [key];
    let whole = open(&file, &openers);
    assert_eq!(whole.is_ok(), file == *valid, "a changed file opens, or the valid one does not");
    let mut streamed = Vec::new();
    let stream = OpenReader::new(file.as_slice(), &openers)
        .map_err(drop)
        .and_then(|mut r| r.read_to_end(&mut streamed).map_err(drop));
    assert_eq!(stream.is_ok(), whole.is_ok(), "the stream and the whole disagree");
    if let Ok(opened) = &whole {
        assert!(*opened.plaintext == streamed, "the stream and the whole differ");
    }
    if let Ok(mut seek) = SeekReader::new(Cursor::new(&file), &openers) {
        let mut byte = [0];
        let at = seek.plaintext_len() / 2;
        let _ = seek.read_at(at, &mut byte);
        assert_eq!(seek.verify_author().is_ok(), whole.is_ok(), "the author is verified over a changed file");
    }
    let _ = inspect(&mut Cursor::new(&file));
    // And the bytes as they are, as a file nobody sealed.
    assert!(open(data, &openers).is_err() || data == valid.as_slice());
}
