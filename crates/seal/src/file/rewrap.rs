//! Changing the doors of a file, and looking at it without a key.

use crate::file::open::{Layout, Unlocked};
use crate::file::segment::SEALED_LEN;
use crate::{Context, CoreHeader, DoorKind, Doors, OpenError, Opener, Recipient, SealError, Stanza, Suite};
use mediveil_codec::{Wire, read_wire};
use rand_core::CryptoRng;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Says of a door, by its place and stanza, whether it goes.
type Which<'a> = Box<dyn Fn(usize, &Stanza) -> bool + 'a>;

/// A change to the doors of a file: which go and which come.
///
/// The core header and every segment stay as they are, byte for byte. Dropping a door keeps its holder from opening *this
/// copy* from now on. It does not take back what they have read, nor the content key if they kept it, nor older copies of
/// the file: to shut someone out of future content, seal it anew.
#[derive(Default)]
pub struct Rewrap<'a> {
    add: Vec<&'a dyn Recipient>,
    drop: Vec<Which<'a>>,
}

impl fmt::Debug for Rewrap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrap").field("add", &self.add.len()).field("drop", &self.drop.len()).finish()
    }
}

impl<'a> Rewrap<'a> {
    /// No change yet: the doors are authenticated and written back.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a door.
    #[must_use]
    pub fn to(mut self, recipient: &'a dyn Recipient) -> Self {
        self.add.push(recipient);
        self
    }

    /// Drops the door at this place of the list, counted from 0 before any change.
    #[must_use]
    pub fn drop_index(self, index: usize) -> Self {
        self.drop_where(move |i, _| i == index)
    }

    /// Drops every door of a kind.
    #[must_use]
    pub fn drop_kind(self, kind: DoorKind) -> Self {
        self.drop_where(move |_, stanza| stanza.kind == kind)
    }

    /// Drops the doors for which `which` says so, given the place in the list and the stanza.
    #[must_use]
    pub fn drop_where(mut self, which: impl Fn(usize, &Stanza) -> bool + 'a) -> Self {
        self.drop.push(Box::new(which));
        self
    }

    /// Opens the doors of `sealed` with one of `openers`, changes them, and writes the file to `out`. Returns how many
    /// doors it has now. Segments are copied unread: changes to them are found when the file is opened.
    ///
    /// # Errors
    /// [`RewrapError::Open`] if no opener fits or the doors were changed; [`RewrapError::Seal`] if the new list is empty,
    /// too long or holds a recipient that cannot be sealed for.
    pub fn run(
        &self,
        sealed: &mut impl Read,
        out: &mut (impl Write + ?Sized),
        openers: &[&dyn Opener],
        mut rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<usize, RewrapError> {
        let Unlocked { core, core_bytes, doors, key, schedule, .. } = Unlocked::read(sealed, openers)?;
        let context = core.door_context(&core_bytes);
        let mut stanzas: Vec<Stanza> = doors
            .stanzas()
            .iter()
            .enumerate()
            .filter(|(i, s)| !self.drop.iter().any(|which| which(*i, s)))
            .map(|(_, s)| s.clone())
            .collect();
        stanzas.extend(Doors::wrap(&self.add, &key, &context, &mut rng)?);
        let count = stanzas.len();
        let doors = Doors::new(stanzas, &schedule, &context)?;
        out.write_all(&core_bytes).map_err(OpenError::Io)?;
        out.write_all(&doors.encode()).map_err(OpenError::Io)?;
        io::copy(sealed, out).map_err(OpenError::Io)?;
        out.flush().map_err(OpenError::Io)?;
        Ok(count)
    }
}

/// The doors of a file cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new doors cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The doors of a sealed file and what they are bound to, read without a key, for schemes that must look at a door before
/// anybody can open it. Nothing here is authenticated. The reader is left at the first segment.
///
/// # Errors
/// [`OpenError::Malformed`] if the head is not that of a sealed file.
pub fn read_doors(sealed: &mut impl Read) -> Result<(Context, Vec<Stanza>), OpenError> {
    let (core, core_bytes) = read_wire::<CoreHeader>(sealed)?;
    let (doors, _) = read_wire::<Doors>(sealed)?;
    Ok((core.door_context(&core_bytes), doors.stanzas().to_vec()))
}

/// What anybody can see of a sealed file. Nothing here is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// How the segments are encrypted.
    pub suite: Suite,
    /// Whether an author signed.
    pub signed: bool,
    /// The caller's context.
    pub context: Vec<u8>,
    /// The doors, in the order of the file.
    pub doors: Vec<DoorInfo>,
    /// Length of the plaintext in bytes, as the length of the file tells it; `None` if no file has this length.
    pub plaintext_len: Option<u64>,
    /// Number of segments.
    pub segments: u64,
    /// Bytes of core header and doors.
    pub head_len: u64,
    /// Bytes of the whole file.
    pub sealed_len: u64,
}

/// A door as anybody can see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorInfo {
    /// Its kind.
    pub kind: DoorKind,
    /// Length of its body in bytes.
    pub len: usize,
    /// Its body; the crate of its kind may say more about it.
    pub body: Vec<u8>,
}

/// Looks at a sealed file without a key.
///
/// # Errors
/// [`OpenError::Malformed`] if the head is not that of a sealed file.
pub fn inspect(sealed: &mut (impl Read + Seek)) -> Result<Inspection, OpenError> {
    let begin = sealed.stream_position().map_err(OpenError::Io)?;
    let (core, _) = read_wire::<CoreHeader>(sealed)?;
    let (doors, _) = read_wire::<Doors>(sealed)?;
    let start = sealed.stream_position().map_err(OpenError::Io)?;
    let end = sealed.seek(SeekFrom::End(0)).map_err(OpenError::Io)?;
    let rest = end.saturating_sub(start);
    let layout = Layout::of(rest, core.is_signed());
    Ok(Inspection {
        suite: core.suite(),
        signed: core.is_signed(),
        context: core.context().to_vec(),
        doors: doors
            .stanzas()
            .iter()
            .map(|s| DoorInfo { kind: s.kind.clone(), len: s.body.len(), body: s.body.clone() })
            .collect(),
        plaintext_len: layout.map(|l| l.plaintext_len),
        segments: layout.map_or_else(|| rest.div_ceil(SEALED_LEN as u64), |l| l.count),
        head_len: start.saturating_sub(begin),
        sealed_len: end.saturating_sub(begin),
    })
}
