//! Reading any range of a sealed file without reading the rest.

use crate::file::author::TRAILER_LEN;
use crate::file::open::{Layout, Unlocked};
use crate::file::segment::{SEALED_LEN, SEGMENT_LEN, SegmentTree};
use crate::identity::VerifyingKey;
use crate::{OpenError, Opener};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use zeroize::Zeroizing;

/// Random access to the plaintext of a sealed file.
///
/// Opening it reads the head and the last segment, which authenticates the length; each read decrypts only the segments
/// it touches and returns only authenticated bytes. A read of one byte anywhere so costs at most two segments.
///
/// The author's signature covers all segments, so a ranged read does not check it. [`verify_author`](Self::verify_author)
/// does, by reading the whole file once. Without it, a range is authentic in the sense that someone who could open the
/// file wrote it.
pub struct SeekReader<R> {
    inner: R,
    unlocked: Unlocked,
    /// Offset of the first segment in the file.
    start: u64,
    layout: Layout,
    position: u64,
    /// The segment decrypted last.
    cached: Option<u64>,
    segment: Zeroizing<Vec<u8>>,
}

impl<R> fmt::Debug for SeekReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeekReader")
    }
}

impl<R: Read + Seek> SeekReader<R> {
    /// Opens the file that starts at the reader's current position and goes to its end.
    ///
    /// # Errors
    /// As [`open`](crate::open), for the head and the last segment.
    pub fn new(mut inner: R, openers: &[&dyn Opener]) -> Result<Self, OpenError> {
        let unlocked = Unlocked::read(&mut inner, openers)?;
        let start = inner.stream_position().map_err(OpenError::Io)?;
        let end = inner.seek(SeekFrom::End(0)).map_err(OpenError::Io)?;
        let layout = unlocked.layout(end.saturating_sub(start))?;
        let segment = Zeroizing::new(Vec::with_capacity(SEALED_LEN));
        let mut reader = Self { inner, unlocked, start, layout, position: 0, cached: None, segment };
        reader.load(layout.count.saturating_sub(1))?;
        Ok(reader)
    }

    /// Length of the plaintext in bytes, authenticated.
    #[must_use]
    pub const fn plaintext_len(&self) -> u64 {
        self.layout.plaintext_len
    }

    /// The caller's context from the core header, authenticated.
    #[must_use]
    pub fn context(&self) -> &[u8] {
        self.unlocked.core.context()
    }

    /// Gives back the reader of the sealed file.
    #[must_use]
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Fills `out` from `offset` on; returns how many bytes there were.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] if a segment was changed.
    pub fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, OpenError> {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let offset = offset.saturating_add(done as u64);
            if offset >= self.layout.plaintext_len {
                break;
            }
            let index = offset / SEGMENT_LEN as u64;
            let within = usize::try_from(offset % SEGMENT_LEN as u64).unwrap_or(usize::MAX);
            let from = self.load(index)?.get(within..).unwrap_or_default();
            let len = from.len().min(rest.len());
            match (rest.get_mut(..len), from.get(..len)) {
                (Some(to), Some(from)) if len > 0 => to.copy_from_slice(from),
                _ => return Err(OpenError::Tampered),
            }
            done = done.saturating_add(len);
        }
        Ok(done)
    }

    /// Reads the whole file once and checks the author's signature, if the file has one.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] if anything was changed.
    pub fn verify_author(&mut self) -> Result<Option<VerifyingKey>, OpenError> {
        if !self.unlocked.core.is_signed() {
            return Ok(None);
        }
        let mut tree = SegmentTree::default();
        for index in 0..self.layout.count {
            self.fetch(index)?;
            tree.push(&self.segment);
        }
        self.cached = None;
        let mut trailer = [0; TRAILER_LEN];
        self.inner.read_exact(&mut trailer).map_err(|_| OpenError::Tampered)?;
        self.unlocked.author(&trailer, self.layout.segments_len, &tree)
    }

    /// Reads one encrypted segment into the buffer.
    fn fetch(&mut self, index: u64) -> Result<(), OpenError> {
        let offset = index.saturating_mul(SEALED_LEN as u64);
        let len = self.layout.segments_len.saturating_sub(offset).min(SEALED_LEN as u64);
        self.cached = None;
        self.segment.clear();
        self.inner.seek(SeekFrom::Start(self.start.saturating_add(offset))).map_err(OpenError::Io)?;
        let read = self.inner.by_ref().take(len).read_to_end(&mut self.segment).map_err(OpenError::Io)?;
        if read as u64 == len { Ok(()) } else { Err(OpenError::Tampered) }
    }

    /// The plaintext of one segment.
    fn load(&mut self, index: u64) -> Result<&[u8], OpenError> {
        if self.cached != Some(index) {
            self.fetch(index)?;
            let last = index.saturating_add(1) == self.layout.count;
            let plaintext_len =
                self.unlocked.cipher.open_in_place(index, last, &mut self.segment).ok_or(OpenError::Tampered)?.len();
            self.segment.truncate(plaintext_len);
            self.cached = Some(index);
        }
        Ok(&self.segment)
    }
}

impl<R: Read + Seek> Read for SeekReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(self.position, out)?;
        self.position = self.position.saturating_add(read as u64);
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for SeekReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.layout.plaintext_len.checked_add_signed(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
        };
        self.position = target
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a position before the start of the file"))?;
        Ok(self.position)
    }
}
