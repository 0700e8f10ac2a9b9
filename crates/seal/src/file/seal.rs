//! Making a sealed file, in memory or as a stream.

use crate::crypto::Schedule;
use crate::file::author;
use crate::file::segment::{MAX_SEGMENTS, SEALED_LEN, SEGMENT_LEN, SegmentCipher, SegmentTree};
use crate::identity::SigningKey;
use crate::{ContentKey, CoreHeader, Doors, MAX_CONTEXT, Recipient, SealError, Suite};
use mediveil_codec::Wire;
use rand_core::CryptoRng;
use std::fmt;
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// What a file is sealed with and for whom.
///
/// ```
/// # use mediveil_seal::{Sealer, open, identity::{SealingKem, SealingKey}};
/// let mut rng = mediveil_rng::system();
/// let alice = SealingKey::generate(SealingKem::P256, &mut rng);
/// let sealed = Sealer::new().to(&alice.public()).context(b"ward 3")?.seal(b"HbA1c 6.4 %", &mut rng)?;
/// let opened = open(&sealed, &[&alice])?;
/// assert_eq!(*opened.plaintext, b"HbA1c 6.4 %");
/// assert_eq!(opened.context, b"ward 3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Sealer<'a> {
    suite: Suite,
    context: Vec<u8>,
    author: Option<&'a SigningKey>,
    recipients: Vec<&'a dyn Recipient>,
}

impl fmt::Debug for Sealer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doors: Vec<_> = self.recipients.iter().map(|r| r.kind()).collect();
        f.debug_struct("Sealer").field("suite", &self.suite).field("doors", &doors).finish_non_exhaustive()
    }
}

impl<'a> Sealer<'a> {
    /// A sealer without recipients, under the default suite.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Encrypts the segments under another suite.
    #[must_use]
    pub fn suite(mut self, suite: Suite) -> Self {
        self.suite = suite;
        self
    }

    /// Puts public, authenticated bytes into the core header; at most [`MAX_CONTEXT`] of them.
    ///
    /// # Errors
    /// [`SealError::ContextTooLong`].
    pub fn context(mut self, context: &[u8]) -> Result<Self, SealError> {
        if context.len() > MAX_CONTEXT {
            return Err(SealError::ContextTooLong);
        }
        self.context = context.to_vec();
        Ok(self)
    }

    /// Signs the file as this author. Costs one SHA-256 over the whole file.
    #[must_use]
    pub fn author(mut self, key: &'a SigningKey) -> Self {
        self.author = Some(key);
        self
    }

    /// Adds a reader.
    #[must_use]
    pub fn to(mut self, recipient: &'a dyn Recipient) -> Self {
        self.recipients.push(recipient);
        self
    }

    /// Seals what is in memory.
    ///
    /// # Errors
    /// [`SealError`] for recipients that cannot be sealed for, none or too many of them.
    pub fn seal(&self, plaintext: &[u8], rng: &mut (impl CryptoRng + ?Sized)) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::new();
        self.seal_into(plaintext, &mut out, rng)?;
        Ok(out)
    }

    /// Seals what is in memory and appends the file to `out`. A buffer that is used again spares the system the work of
    /// finding fresh memory, which for large files costs as much as the encryption.
    ///
    /// # Errors
    /// As [`seal`](Self::seal); `out` is then as long as before.
    pub fn seal_into(
        &self,
        plaintext: &[u8],
        out: &mut Vec<u8>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), SealError> {
        let start = out.len();
        self.append(plaintext, out, rng).inspect_err(|_| out.truncate(start))
    }

    fn append(
        &self,
        plaintext: &[u8],
        out: &mut Vec<u8>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), SealError> {
        let segments = plaintext.len().div_ceil(SEGMENT_LEN).max(1);
        let sealed_len =
            segments.saturating_mul(SEALED_LEN.saturating_sub(SEGMENT_LEN)).saturating_add(plaintext.len());
        let (mut state, head) = self.begin(rng)?;
        out.reserve_exact(head.len().saturating_add(sealed_len).saturating_add(author::TRAILER_LEN));
        out.extend_from_slice(&head);
        let mut rest = plaintext;
        while let Some((segment, tail)) = rest.split_at_checked(SEGMENT_LEN).filter(|(_, tail)| !tail.is_empty()) {
            state.segment(segment, false, out)?;
            rest = tail;
        }
        state.segment(rest, true, out)?;
        state.trailer(out)
    }

    /// Seals a stream into a stream, in constant memory. Returns the number of plaintext bytes.
    ///
    /// # Errors
    /// As [`seal`](Self::seal), and where either stream fails.
    pub fn copy(
        &self,
        plaintext: &mut (impl Read + ?Sized),
        out: &mut (impl Write + ?Sized),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<u64, SealError> {
        let mut writer = self.writer(out, rng)?;
        let copied = io::copy(plaintext, &mut writer)?;
        writer.finish()?;
        Ok(copied)
    }

    /// Writes core header and doors to `out` and returns a writer for the plaintext.
    /// [`SealWriter::finish`] must be called; without it the file has no end and will not open.
    ///
    /// # Errors
    /// As [`copy`](Self::copy).
    pub fn writer<W: Write>(
        &self,
        mut out: W,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SealWriter<'a, W>, SealError> {
        let (state, head) = self.begin(rng)?;
        out.write_all(&head)?;
        Ok(SealWriter {
            state,
            out,
            buffer: Zeroizing::new(Vec::with_capacity(SEGMENT_LEN)),
            sealed: Vec::with_capacity(SEALED_LEN),
        })
    }

    fn begin(&self, mut rng: &mut (impl CryptoRng + ?Sized)) -> Result<(SealState<'a>, Vec<u8>), SealError> {
        let key = ContentKey::generate(rng);
        let (core, schedule) = CoreHeader::new(self.suite, self.author.is_some(), self.context.clone(), &key, rng);
        let mut head = core.encode();
        let context = core.door_context(&head);
        let stanzas = Doors::wrap(&self.recipients, &key, &context, &mut rng)?;
        let doors = Doors::new(stanzas, &schedule, &context)?;
        head.extend_from_slice(&doors.encode());
        let core_digest = *context.core_digest();
        let cipher = SegmentCipher::new(self.suite, &schedule.segments(&core_digest));
        let author = self.author.map(|key| (key, SegmentTree::default()));
        Ok((SealState { suite: self.suite, schedule, core_digest, cipher, author, index: 0, sealed_len: 0 }, head))
    }
}

/// The part of sealing that goes from segment to segment.
struct SealState<'a> {
    suite: Suite,
    schedule: Schedule,
    core_digest: [u8; 32],
    cipher: SegmentCipher,
    author: Option<(&'a SigningKey, SegmentTree)>,
    index: u64,
    sealed_len: u64,
}

impl SealState<'_> {
    /// Appends one encrypted segment to `out`.
    fn segment(&mut self, plaintext: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), SealError> {
        if self.index >= MAX_SEGMENTS {
            return Err(SealError::TooLong);
        }
        let start = out.len();
        self.cipher.seal(self.index, last, plaintext, out).ok_or(SealError::TooLong)?;
        let sealed = out.get(start..).unwrap_or_default();
        self.sealed_len = self.sealed_len.saturating_add(sealed.len() as u64);
        if let Some((_, tree)) = &mut self.author {
            tree.push(sealed);
        }
        self.index = self.index.saturating_add(1);
        Ok(())
    }

    fn trailer(&self, out: &mut Vec<u8>) -> Result<(), SealError> {
        if let Some((key, tree)) = &self.author {
            let root = tree.root();
            let trailer = author::seal(key, self.suite, &self.schedule, &self.core_digest, self.sealed_len, &root);
            out.extend_from_slice(&trailer.ok_or(SealError::TooLong)?);
        }
        Ok(())
    }
}

/// Seals what is written to it. See [`Sealer::writer`].
pub struct SealWriter<'a, W: Write> {
    state: SealState<'a>,
    out: W,
    /// Plaintext that waits: a full segment is sealed only when another byte follows it.
    buffer: Zeroizing<Vec<u8>>,
    sealed: Vec<u8>,
}

impl<W: Write> SealWriter<'_, W> {
    /// Seals the last segment, closes the file and gives back the inner writer, flushed.
    ///
    /// # Errors
    /// Where the inner writer fails.
    pub fn finish(mut self) -> Result<W, SealError> {
        self.sealed.clear();
        self.state.segment(&self.buffer, true, &mut self.sealed)?;
        self.state.trailer(&mut self.sealed)?;
        self.out.write_all(&self.sealed)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn emit(state: &mut SealState<'_>, out: &mut W, sealed: &mut Vec<u8>, plaintext: &[u8]) -> io::Result<()> {
        sealed.clear();
        state.segment(plaintext, false, sealed).map_err(io::Error::other)?;
        out.write_all(sealed)
    }
}

impl<W: Write> Write for SealWriter<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut rest = data;
        while !rest.is_empty() {
            if self.buffer.len() == SEGMENT_LEN {
                Self::emit(&mut self.state, &mut self.out, &mut self.sealed, &self.buffer)?;
                self.buffer.clear();
            }
            // A full segment with more behind it needs no copy.
            if self.buffer.is_empty()
                && let Some((segment, tail)) = rest.split_at_checked(SEGMENT_LEN).filter(|(_, tail)| !tail.is_empty())
            {
                Self::emit(&mut self.state, &mut self.out, &mut self.sealed, segment)?;
                rest = tail;
                continue;
            }
            let room = SEGMENT_LEN.saturating_sub(self.buffer.len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.buffer.extend_from_slice(now);
            rest = later;
        }
        Ok(data.len())
    }

    /// Flushes what is sealed so far; a segment that is not full stays inside.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> fmt::Debug for SealWriter<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealWriter")
    }
}
