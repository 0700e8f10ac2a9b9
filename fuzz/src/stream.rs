//! The sealed file as a thing that lives: sealed in pieces, read in pieces and out of order, and changed in between.

use arbitrary::{Result, Unstructured};
use mediveil_rng::SeededRng;
use mediveil_seal::{OpenReader, Opener, Rewrap, Sealer, SeekReader, Suite, open};
use std::io::{Cursor, Read, Write};

enum Step {
    /// Reads from a place.
    ReadAt { place: u32, length: u16 },
    /// Changes a byte of the file, and puts it back after the next read.
    Flip { place: u32, by: u8 },
    /// Reads the file through in pieces.
    Through { piece: u16 },
    /// Opens it whole.
    Whole,
    /// Adds a second door for the same reader, or takes the first away.
    Doors { add: bool },
}

impl Step {
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=4_u8)? {
            0 => Self::ReadAt { place: u.arbitrary()?, length: u.arbitrary()? },
            1 => Self::Flip { place: u.arbitrary()?, by: u.arbitrary()? },
            2 => Self::Through { piece: u.arbitrary()? },
            3 => Self::Whole,
            _ => Self::Doors { add: u.arbitrary()? },
        })
    }
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * i % 251).unwrap_or(0)).collect()
}

/// A script: how the file is sealed, and what is done with it. The valid file gives its plaintext in every way of reading,
/// and a changed one never gives anything else.
pub fn stream(data: &[u8]) {
    let _ = script(&mut Unstructured::new(data));
}

fn script(u: &mut Unstructured<'_>) -> Result<()> {
    let mut rng = SeededRng::from_u64(u.arbitrary::<u8>()?.into());
    let key = crate::sealed::reader();
    let public = key.public();
    let suite = if u.arbitrary()? { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 };
    let text = plain(usize::from(u.arbitrary::<u16>()?).saturating_mul(3));
    let sealer = Sealer::new().suite(suite).to(&public);
    let Ok(mut writer) = sealer.writer(Vec::new(), &mut rng) else { panic!("sealing cannot start") };
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        let piece = usize::from(u.arbitrary::<u16>().unwrap_or(u16::MAX)).clamp(1, rest.len());
        let (now, later) = rest.split_at(piece);
        assert!(writer.write_all(now).is_ok(), "a write fails");
        rest = later;
    }
    let Ok(mut file) = writer.finish() else { panic!("sealing fails") };
    let openers: [&dyn Opener; 1] = [&key];
    let mut changed: Option<(usize, u8)> = None;
    for _ in 0..24 {
        if u.is_empty() {
            break;
        }
        match Step::any(u)? {
            Step::Flip { place, by } => {
                let at = usize::try_from(place).unwrap_or(0) % file.len().max(1);
                if changed.is_none()
                    && by != 0
                    && let Some(byte) = file.get_mut(at)
                {
                    *byte ^= by;
                    changed = Some((at, by));
                }
                continue;
            }
            Step::ReadAt { place, length } => {
                if let Ok(mut seek) = SeekReader::new(Cursor::new(&file), &openers) {
                    let at = usize::try_from(place).unwrap_or(0) % text.len().saturating_add(10);
                    let mut out = vec![0; usize::from(length)];
                    match seek.read_at(u64::try_from(at).unwrap_or(0), &mut out) {
                        Ok(n) => {
                            let expected = text.get(at..).unwrap_or_default();
                            let expected = expected.get(..out.len().min(expected.len())).unwrap_or_default();
                            assert!(out.get(..n) == Some(expected), "another plaintext at {at}");
                        }
                        Err(_) => assert!(changed.is_some(), "the valid file is refused"),
                    }
                } else {
                    assert!(changed.is_some(), "the valid file is refused");
                }
            }
            Step::Through { piece } => {
                let mut out = Vec::new();
                let mut buffer = vec![0; usize::from(piece).max(1)];
                let mut good = false;
                if let Ok(mut reader) = OpenReader::new(file.as_slice(), &openers) {
                    loop {
                        match reader.read(&mut buffer) {
                            Ok(0) => {
                                good = true;
                                break;
                            }
                            Ok(n) => out.extend_from_slice(buffer.get(..n).unwrap_or_default()),
                            Err(_) => break,
                        }
                    }
                }
                assert!(text.starts_with(&out), "another plaintext in the stream");
                assert_eq!(
                    good,
                    changed.is_none(),
                    "the stream ends well over a changed file, or not over the valid one"
                );
                assert!(!good || out.len() == text.len(), "the stream ends early");
            }
            Step::Whole => match open(&file, &openers) {
                Ok(opened) => assert!(changed.is_none() && *opened.plaintext == text, "a changed file opens"),
                Err(_) => assert!(changed.is_some(), "the valid file is refused"),
            },
            Step::Doors { add } => {
                let rewrap = if add { Rewrap::new().to(&public) } else { Rewrap::new().drop_index(1) };
                let mut out = Vec::new();
                let done = rewrap.run(&mut Cursor::new(&file), &mut out, &openers, &mut rng);
                if done.is_ok() && changed.is_none() {
                    file = out;
                }
                continue;
            }
        }
        if let Some((at, by)) = changed.take()
            && let Some(byte) = file.get_mut(at)
        {
            *byte ^= by;
        }
    }
    Ok(())
}
