//! Opening a sealed file, in memory or as a stream.

use crate::crypto::{Schedule, TAG_LEN};
use crate::file::author::{self, TRAILER_LEN};
use crate::file::plaintext::Plaintext;
use crate::file::segment::{MAX_SEGMENTS, SEALED_LEN, SEGMENT_LEN, SegmentCipher, SegmentTree};
use crate::identity::VerifyingKey;
use crate::{ContentKey, CoreHeader, Doors, OpenError, Opener};
use mediveil_codec::read_wire;
use std::fmt;
use std::io::{self, Read, Write};
use zeroize::{Zeroize, Zeroizing};

/// A sealed file, opened whole.
#[derive(Debug)]
pub struct Opened {
    /// What was sealed. Wiped when dropped.
    pub plaintext: Plaintext,
    /// Who signed it, if anybody did; the signature is verified.
    pub author: Option<VerifyingKey>,
    /// The caller's context from the core header, authenticated.
    pub context: Vec<u8>,
}

/// Opens a sealed file that is in memory.
///
/// # Errors
/// [`OpenError::NoDoor`] if no opener fits; [`OpenError::Tampered`] for any change anywhere; [`OpenError::Malformed`] if
/// it is not a sealed file at all.
pub fn open(sealed: &[u8], openers: &[&dyn Opener]) -> Result<Opened, OpenError> {
    let mut rest = sealed;
    let unlocked = Unlocked::read(&mut rest, openers)?;
    let layout = unlocked.layout(rest.len() as u64)?;
    let len = usize::try_from(layout.plaintext_len).map_err(|_| OpenError::Tampered)?;
    let mut plaintext = Plaintext::zeroed(len);
    let author = decrypt(&unlocked, layout, rest, plaintext.as_mut_slice())?;
    Ok(Opened { plaintext, author, context: unlocked.core.context().to_vec() })
}

/// Opens a sealed file that is in memory and appends the plaintext to `out`, which the caller wipes. Returns the author, if
/// somebody signed. A buffer that is used again spares the system the work of finding fresh memory.
///
/// # Errors
/// As [`open`]; `out` is then as long as before, and what was written behind its end is wiped.
pub fn open_into(sealed: &[u8], openers: &[&dyn Opener], out: &mut Vec<u8>) -> Result<Option<VerifyingKey>, OpenError> {
    let mut rest = sealed;
    let unlocked = Unlocked::read(&mut rest, openers)?;
    let layout = unlocked.layout(rest.len() as u64)?;
    let len = usize::try_from(layout.plaintext_len).map_err(|_| OpenError::Tampered)?;
    let start = out.len();
    out.resize(start.checked_add(len).ok_or(OpenError::Tampered)?, 0);
    let written = out.get_mut(start..).unwrap_or_default();
    decrypt(&unlocked, layout, rest, written).inspect_err(|_| {
        out.get_mut(start..).unwrap_or_default().zeroize();
        out.truncate(start);
    })
}

/// Decrypts all segments into `plaintext`, which has their length, and checks the trailer.
fn decrypt(
    unlocked: &Unlocked,
    layout: Layout,
    rest: &[u8],
    plaintext: &mut [u8],
) -> Result<Option<VerifyingKey>, OpenError> {
    let (segments, trailer) = rest
        .split_at_checked(usize::try_from(layout.segments_len).map_err(|_| OpenError::Tampered)?)
        .ok_or(OpenError::Tampered)?;
    let mut tree = SegmentTree::default();
    let chunks = segments.chunks(SEALED_LEN).zip(padded_chunks(plaintext));
    for (index, (from, to)) in (0u64..).zip(chunks) {
        let last = index.saturating_add(1) == layout.count;
        unlocked.cipher.open_into(index, last, from, to).ok_or(OpenError::Tampered)?;
        if unlocked.core.is_signed() {
            tree.push(from);
        }
    }
    unlocked.author(trailer, layout.segments_len, &tree)
}

/// Segments of a plaintext; an empty plaintext has one empty segment.
fn padded_chunks(plaintext: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
    let empty = plaintext.is_empty().then(<&mut [u8]>::default);
    empty.into_iter().chain(plaintext.chunks_mut(SEGMENT_LEN))
}

/// A file whose head is read and whose content key is known and checked.
pub(crate) struct Unlocked {
    pub(crate) core: CoreHeader,
    pub(crate) core_bytes: Vec<u8>,
    pub(crate) core_digest: [u8; 32],
    pub(crate) doors: Doors,
    pub(crate) key: ContentKey,
    pub(crate) schedule: Schedule,
    pub(crate) cipher: SegmentCipher,
}

/// How the bytes after the doors divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Number of segments.
    pub(crate) count: u64,
    /// Length of all encrypted segments in bytes.
    pub(crate) segments_len: u64,
    /// Length of the plaintext in bytes.
    pub(crate) plaintext_len: u64,
}

impl Layout {
    /// The layout of `len` bytes after the doors, if any file has it: full segments, then a last one that is empty only
    /// if it is alone, then the trailer.
    pub(crate) fn of(len: u64, signed: bool) -> Option<Self> {
        let segments_len = len.checked_sub(if signed { TRAILER_LEN as u64 } else { 0 })?;
        let count = segments_len.div_ceil(SEALED_LEN as u64);
        let tags = count.checked_mul(TAG_LEN as u64)?;
        let plaintext_len = segments_len.checked_sub(tags)?;
        let last = segments_len.checked_sub(count.checked_sub(1)?.checked_mul(SEALED_LEN as u64)?)?;
        let enough = if count == 1 { TAG_LEN as u64 } else { TAG_LEN as u64 + 1 };
        (last >= enough && count <= MAX_SEGMENTS).then_some(Self { count, segments_len, plaintext_len })
    }
}

impl Unlocked {
    /// Reads core header and doors, finds the content key, and leaves the reader at the first segment.
    pub(crate) fn read(reader: &mut impl Read, openers: &[&dyn Opener]) -> Result<Self, OpenError> {
        let (core, core_bytes) = read_wire::<CoreHeader>(reader)?;
        let (doors, _) = read_wire::<Doors>(reader)?;
        let context = core.door_context(&core_bytes);
        let core_digest = *context.core_digest();
        let (key, schedule) = doors.unlock(&core, &context, openers)?;
        let cipher = SegmentCipher::new(core.suite(), &schedule.segments(&core_digest));
        Ok(Self { core, core_bytes, core_digest, doors, key, schedule, cipher })
    }

    pub(crate) fn layout(&self, len: u64) -> Result<Layout, OpenError> {
        Layout::of(len, self.core.is_signed()).ok_or(OpenError::Tampered)
    }

    /// Checks the trailer, if there should be one.
    pub(crate) fn author(
        &self,
        trailer: &[u8],
        segments_len: u64,
        tree: &SegmentTree,
    ) -> Result<Option<VerifyingKey>, OpenError> {
        if !self.core.is_signed() {
            // The layout of an unsigned file has no trailer: all that follows the doors is segments.
            return Ok(None);
        }
        let root = tree.root();
        author::open(trailer, self.core.suite(), &self.schedule, &self.core_digest, segments_len, &root)
            .map(Some)
            .ok_or(OpenError::Tampered)
    }
}

/// Opens a sealed file as a stream, in constant memory.
///
/// Each byte it yields is authenticated, and the end of the stream comes only after the last segment, and the author's
/// signature if there is one, were verified. Until that end is seen the caller holds an authentic *beginning* of the
/// file; write it to a place where it can be taken back, as [`copy_to`](Self::copy_to) with an
/// [`AtomicFile`](crate::AtomicFile) does.
pub struct OpenReader<R> {
    inner: R,
    unlocked: Unlocked,
    /// Encrypted bytes, then, decrypted in place, the current segment.
    buffer: Zeroizing<Vec<u8>>,
    /// Bytes of `buffer` read from the file.
    filled: usize,
    /// The part of `buffer` that is plaintext and not yet delivered.
    ready: std::ops::Range<usize>,
    /// Index of the next segment.
    index: u64,
    segments_len: u64,
    tree: SegmentTree,
    state: State,
    author: Option<VerifyingKey>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Finished,
    Failed,
}

impl<R> fmt::Debug for OpenReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenReader")
    }
}

impl<R: Read> OpenReader<R> {
    /// Reads core header and doors and finds the content key.
    ///
    /// # Errors
    /// As [`open`], for the head of the file.
    pub fn new(mut inner: R, openers: &[&dyn Opener]) -> Result<Self, OpenError> {
        let unlocked = Unlocked::read(&mut inner, openers)?;
        // One byte more than a segment and the trailer tells whether the segment is the last.
        let buffer = Zeroizing::new(vec![0; SEALED_LEN + TRAILER_LEN + 1]);
        Ok(Self {
            inner,
            unlocked,
            buffer,
            filled: 0,
            ready: 0..0,
            index: 0,
            segments_len: 0,
            tree: SegmentTree::default(),
            state: State::Reading,
            author: None,
        })
    }

    /// The caller's context from the core header, authenticated.
    #[must_use]
    pub fn context(&self) -> &[u8] {
        self.unlocked.core.context()
    }

    /// Whether the file claims an author; [`author`](Self::author) tells who, after the end.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.unlocked.core.is_signed()
    }

    /// Who signed the file. `None` before the end of the stream, and for a file that nobody signed.
    #[must_use]
    pub const fn author(&self) -> Option<&VerifyingKey> {
        self.author.as_ref()
    }

    /// Writes the whole plaintext to `out` and returns its length and author.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] for any change; what was written by then must be thrown away.
    pub fn copy_to(mut self, out: &mut (impl Write + ?Sized)) -> Result<(u64, Option<VerifyingKey>), OpenError> {
        let mut total = 0u64;
        loop {
            let segment = self.next_segment()?;
            if segment.is_empty() {
                return Ok((total, self.author));
            }
            out.write_all(segment).map_err(OpenError::Io)?;
            total = total.saturating_add(segment.len() as u64);
            self.ready = 0..0;
        }
    }

    /// The rest of the current segment, or the next one; empty at the verified end.
    fn next_segment(&mut self) -> Result<&[u8], OpenError> {
        if self.ready.is_empty() && self.state == State::Reading {
            let outcome = self.advance();
            if outcome.is_err() {
                self.state = State::Failed;
                self.ready = 0..0;
            }
            outcome?;
        }
        if self.state == State::Failed {
            return Err(OpenError::Tampered);
        }
        Ok(self.buffer.get(self.ready.clone()).unwrap_or_default())
    }

    /// Reads and decrypts one segment; at the last one, also verifies the trailer.
    fn advance(&mut self) -> Result<(), OpenError> {
        let trailer_len = if self.is_signed() { TRAILER_LEN } else { 0 };
        let window = SEALED_LEN + trailer_len + 1;
        if self.index > 0 {
            // The last segment was not the end, so a whole window was read: what lies behind it moves to the front.
            self.buffer.copy_within(SEALED_LEN..window, 0);
            self.filled = window - SEALED_LEN;
        }
        while self.filled < window {
            let room = self.buffer.get_mut(self.filled..window).unwrap_or_default();
            match self.inner.read(room) {
                Ok(0) => break,
                Ok(n) => self.filled = self.filled.saturating_add(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        let last = self.filled < window;
        let sealed_len =
            if last { self.filled.checked_sub(trailer_len).ok_or(OpenError::Tampered)? } else { SEALED_LEN };
        if self.index >= MAX_SEGMENTS || (last && self.index > 0 && sealed_len <= TAG_LEN) {
            return Err(OpenError::Tampered);
        }
        let (segment, ahead) = self.buffer.split_at_mut_checked(sealed_len).ok_or(OpenError::Tampered)?;
        if self.unlocked.core.is_signed() {
            self.tree.push(segment);
        }
        self.segments_len = self.segments_len.saturating_add(sealed_len as u64);
        if last {
            let trailer = ahead.get(..trailer_len).ok_or(OpenError::Tampered)?;
            self.author = self.unlocked.author(trailer, self.segments_len, &self.tree)?;
        }
        let plaintext_len =
            self.unlocked.cipher.open_in_place(self.index, last, segment).ok_or(OpenError::Tampered)?.len();
        self.ready = 0..plaintext_len;
        self.index = self.index.saturating_add(1);
        if last {
            self.state = State::Finished;
        }
        Ok(())
    }
}

impl<R: Read> Read for OpenReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let segment = self.next_segment()?;
        let len = segment.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), segment.get(..len)) {
            to.copy_from_slice(from);
        }
        self.ready.start = self.ready.start.saturating_add(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_has_one_reading_for_each_length() {
        let seg = SEALED_LEN as u64;
        let of = |len, signed| Layout::of(len, signed).map(|l| (l.count, l.plaintext_len));
        assert_eq!(of(0, false), None);
        assert_eq!(of(15, false), None);
        assert_eq!(of(16, false), Some((1, 0)));
        assert_eq!(of(17, false), Some((1, 1)));
        assert_eq!(of(seg, false), Some((1, 65_536)));
        assert_eq!(of(seg + 1, false), None);
        assert_eq!(of(seg + 16, false), None, "an empty last segment stands only alone");
        assert_eq!(of(seg + 17, false), Some((2, 65_537)));
        assert_eq!(of(128, true), None);
        assert_eq!(of(16 + 113, true), Some((1, 0)));
        assert_eq!(of(seg * MAX_SEGMENTS, false), Some((MAX_SEGMENTS, MAX_SEGMENTS * 65_536)));
        assert_eq!(of(seg * MAX_SEGMENTS + 17, false), None);
        assert_eq!(of(u64::MAX, false), None);
    }
}
