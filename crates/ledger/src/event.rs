//! The events of the whole system, with codes that never change.

use crate::Actor;
use mediveil_codec::{DecodeError, Decoder, Encoder, Timestamp};
use std::fmt;

/// What happened.
///
/// | code | event | recorded by |
/// |---|---|---|
/// | 1 | sealed | `mediveil-seal`: a file was sealed |
/// | 2 | accessed | a file was opened, or stayed shut |
/// | 3, 4 | consent granted, consent withdrawn | the consent service |
/// | 5 | key | key rings: created, rotated, disabled, ... |
/// | 6 | erased | a destroyed key version; carries the receipt |
/// | 7 | committee | `mediveil-threshold`: formed, refreshed, accused, ... |
/// | 8 | budget | `mediveil-dp`; the body is its own |
/// | 9 | released | `mediveil-study`: an answer left the system |
/// | 10 | note | people |
///
/// A body never changes under its code: what needs more fields gets a new code. Codes of `0x8000` and above are free for
/// other programs that share a log.
///
/// Nothing in an event may tell anything about a patient; texts are [`Label`]s so that nobody writes a name by
/// habit, and the one free text, [`Note`](Self::Note), is for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A record was sealed.
    Sealed {
        /// SHA-256 of the file's encoded core header: the file's name in this log.
        file: [u8; 32],
        /// How many doors it has.
        doors: u32,
    },
    /// Someone tried to open a sealed file.
    Accessed {
        /// The file, as in [`Sealed`](Self::Sealed).
        file: [u8; 32],
        /// The kind of door, such as `policy` or `hpke-p256`.
        door: Label,
        /// Whether it opened.
        opened: bool,
        /// What for, such as `TREAT` or `HRESCH` (HL7 v3 `ActReason`).
        purpose: Option<Label>,
        /// The consent that allowed it, as in [`ConsentGranted`](Self::ConsentGranted).
        consent: Option<[u8; 32]>,
    },
    /// The subject consented.
    ConsentGranted {
        /// The consent's opaque id, or the digest of its document.
        consent: [u8; 32],
        /// To what, such as `TREAT` or `HRESCH` (HL7 v3 `ActReason`).
        purpose: Label,
        /// To whom; `None` is anyone who acts for this purpose.
        grantee: Option<Actor>,
        /// Until when; `None` is until withdrawn.
        until: Option<Timestamp>,
    },
    /// The subject withdrew a consent.
    ConsentWithdrawn {
        /// The consent, as it was granted.
        consent: [u8; 32],
    },
    /// Something happened to a key.
    Key {
        /// The key ring's id.
        ring: [u8; 32],
        /// The version of the key in its ring.
        version: u32,
        /// What happened to it.
        change: KeyChange,
    },
    /// Data became unreadable because its key was destroyed.
    Erased {
        /// The encoded erasure receipt of the key ring; it verifies by itself.
        receipt: Vec<u8>,
    },
    /// Something happened in a committee.
    Committee {
        /// The committee's session id.
        committee: [u8; 32],
        /// What, such as `formed`, `refreshed`, `accused`.
        kind: Label,
        /// What the protocol publishes about it.
        body: Vec<u8>,
    },
    /// Something happened to a privacy budget.
    Budget {
        /// The data set's id.
        data_set: [u8; 32],
        /// What, such as `created`, `debited`, `refused`.
        kind: Label,
        /// The budgeter's own record of it.
        body: Vec<u8>,
    },
    /// A noisy answer left the system.
    Released {
        /// The query's id.
        query: [u8; 32],
        /// SHA-256 of the release certificate.
        certificate: [u8; 32],
    },
    /// A word of an operator. Never about a patient.
    Note {
        /// At most [`MAX_NOTE`](Self::MAX_NOTE) bytes.
        text: String,
    },
    /// An event that this version does not know. It is kept, proved and verified like any other.
    Unknown(UnknownEvent),
}

/// An event of a code that this version does not know: only decoding makes one, or [`new`](Self::new) for a code that is
/// free for other programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEvent {
    code: u16,
    body: Vec<u8>,
}

impl UnknownEvent {
    /// The first code that this crate leaves to other programs.
    pub const FIRST_FREE: u16 = 0x8000;

    /// An event of another program; `None` if the code belongs to this crate or the body is over [`Event::MAX_BODY`].
    #[must_use]
    pub fn new(code: u16, body: Vec<u8>) -> Option<Self> {
        (code >= Self::FIRST_FREE && body.len() <= Event::MAX_BODY).then_some(Self { code, body })
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// Its body, uninterpreted.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// What can happen to a version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyChange {
    /// It was made, with its ring or as the next version.
    Created,
    /// It became the version that new files are sealed to.
    Rotated,
    /// It opens nothing until enabled again.
    Disabled,
    /// It opens again.
    Enabled,
    /// It is gone for good; see [`Event::Erased`] for the receipt.
    Destroyed,
}

impl KeyChange {
    const ALL: [Self; 5] = [Self::Created, Self::Rotated, Self::Disabled, Self::Enabled, Self::Destroyed];

    const fn code(self) -> u8 {
        match self {
            Self::Created => 1,
            Self::Rotated => 2,
            Self::Disabled => 3,
            Self::Enabled => 4,
            Self::Destroyed => 5,
        }
    }

    /// The word for listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Rotated => "rotated",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Destroyed => "destroyed",
        }
    }
}

/// A word of a controlled vocabulary: 1 to 64 characters of letters, digits and `._:/-`. No spaces, so no sentences.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

/// Text that is no [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 64 letters, digits, dots, underscores, colons, slashes or hyphens")]
pub struct LabelError;

impl Label {
    const MAX: usize = 64;

    /// The label with this text.
    ///
    /// # Errors
    /// [`LabelError`] for an empty or long text, or other characters.
    pub fn new(text: impl Into<String>) -> Result<Self, LabelError> {
        let text = text.into();
        let fits = (1..=Self::MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b));
        if fits { Ok(Self(text)) } else { Err(LabelError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let text = d.text(Self::MAX)?;
        Self::new(text).map_err(|_| d.invalid("not a label"))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({})", self.0)
    }
}

impl std::str::FromStr for Label {
    type Err = LabelError;
    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Label {
    type Error = LabelError;
    fn try_from(text: &str) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

/// An event with a part over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {field} of {found} bytes is over the limit of {limit}; record a digest of it instead")]
pub struct TooLong {
    /// Which part.
    pub field: &'static str,
    /// Its length in bytes.
    pub found: usize,
    /// The limit in bytes.
    pub limit: usize,
}

impl Event {
    /// The longest encoded event in bytes.
    pub const MAX_BODY: usize = 64 * 1024;
    /// The longest receipt, committee body or budget body in bytes.
    pub const MAX_BYTES: usize = 60 * 1024;
    /// The longest note in bytes.
    pub const MAX_NOTE: usize = 1024;

    /// The event's code on the wire.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Sealed { .. } => 1,
            Self::Accessed { .. } => 2,
            Self::ConsentGranted { .. } => 3,
            Self::ConsentWithdrawn { .. } => 4,
            Self::Key { .. } => 5,
            Self::Erased { .. } => 6,
            Self::Committee { .. } => 7,
            Self::Budget { .. } => 8,
            Self::Released { .. } => 9,
            Self::Note { .. } => 10,
            Self::Unknown(event) => event.code,
        }
    }

    /// The event's name in listings.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sealed { .. } => "sealed",
            Self::Accessed { .. } => "accessed",
            Self::ConsentGranted { .. } => "consent-granted",
            Self::ConsentWithdrawn { .. } => "consent-withdrawn",
            Self::Key { .. } => "key",
            Self::Erased { .. } => "erased",
            Self::Committee { .. } => "committee",
            Self::Budget { .. } => "budget",
            Self::Released { .. } => "released",
            Self::Note { .. } => "note",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether every part is within its limit, as decoding insists.
    ///
    /// # Errors
    /// [`TooLong`] naming the first part that is not.
    pub fn check(&self) -> Result<(), TooLong> {
        let (field, found, limit) = match self {
            Self::Erased { receipt } => ("receipt", receipt.len(), Self::MAX_BYTES),
            Self::Committee { body, .. } | Self::Budget { body, .. } => ("body", body.len(), Self::MAX_BYTES),
            Self::Note { text } => ("note", text.len(), Self::MAX_NOTE),
            _ => return Ok(()),
        };
        if found > limit { Err(TooLong { field, found, limit }) } else { Ok(()) }
    }

    /// The body, wrapped in a byte string, so that readers that do not know the code can keep it.
    pub(crate) fn encode_nested(&self, e: &mut Encoder<'_>) {
        if let Self::Unknown(event) = self {
            e.bytes(&event.body);
        } else {
            e.nested(|e| self.encode_known(e));
        }
    }

    fn encode_known(&self, e: &mut Encoder<'_>) {
        match self {
            Self::Sealed { file, doors } => {
                e.array(2).bytes(file).u32(*doors);
            }
            Self::Accessed { file, door, opened, purpose, consent } => {
                e.array(5).bytes(file).text(&door.0).bool(*opened);
                e.option(purpose.as_ref(), |e, p| {
                    e.text(&p.0);
                });
                e.option(consent.as_ref(), |e, c| {
                    e.bytes(c);
                });
            }
            Self::ConsentGranted { consent, purpose, grantee, until } => {
                e.array(4).bytes(consent).text(&purpose.0);
                e.option(grantee.as_ref(), |e, g| {
                    e.bytes(g.as_bytes());
                });
                e.option(*until, |e, t| t.encode(e));
            }
            Self::ConsentWithdrawn { consent } => {
                e.array(1).bytes(consent);
            }
            Self::Key { ring, version, change } => {
                e.array(3).bytes(ring).u32(*version).u8(change.code());
            }
            Self::Erased { receipt } => {
                e.array(1).bytes(receipt);
            }
            Self::Committee { committee: id, kind, body } | Self::Budget { data_set: id, kind, body } => {
                e.array(3).bytes(id).text(&kind.0).bytes(body);
            }
            Self::Released { query, certificate } => {
                e.array(2).bytes(query).bytes(certificate);
            }
            Self::Note { text } => {
                e.array(1).text(text);
            }
            Self::Unknown(_) => {}
        }
    }

    pub(crate) fn decode_nested(code: u16, d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match code {
            1..=10 => d.nested(Self::MAX_BODY, |d| Self::decode_known(code, d)),
            _ => Ok(Self::Unknown(UnknownEvent { code, body: d.bytes(Self::MAX_BODY)?.to_vec() })),
        }
    }

    fn decode_known(code: u16, d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match code {
            1 => {
                d.tuple(2)?;
                Self::Sealed { file: d.byte_array()?, doors: d.u32()? }
            }
            2 => {
                d.tuple(5)?;
                Self::Accessed {
                    file: d.byte_array()?,
                    door: Label::decode(d)?,
                    opened: d.bool()?,
                    purpose: d.option(Label::decode)?,
                    consent: d.option(Decoder::byte_array)?,
                }
            }
            3 => {
                d.tuple(4)?;
                Self::ConsentGranted {
                    consent: d.byte_array()?,
                    purpose: Label::decode(d)?,
                    grantee: d.option(Decoder::byte_array)?.map(Actor::from_bytes),
                    until: d.option(Timestamp::decode)?,
                }
            }
            4 => {
                d.tuple(1)?;
                Self::ConsentWithdrawn { consent: d.byte_array()? }
            }
            5 => {
                d.tuple(3)?;
                let (ring, version, change) = (d.byte_array()?, d.u32()?, d.u8()?);
                let change = KeyChange::ALL.into_iter().find(|c| c.code() == change);
                Self::Key { ring, version, change: change.ok_or_else(|| d.invalid("not a change of a key"))? }
            }
            6 => {
                d.tuple(1)?;
                Self::Erased { receipt: d.bytes(Self::MAX_BYTES)?.to_vec() }
            }
            7 => {
                d.tuple(3)?;
                let (committee, kind) = (d.byte_array()?, Label::decode(d)?);
                Self::Committee { committee, kind, body: d.bytes(Self::MAX_BYTES)?.to_vec() }
            }
            8 => {
                d.tuple(3)?;
                let (data_set, kind) = (d.byte_array()?, Label::decode(d)?);
                Self::Budget { data_set, kind, body: d.bytes(Self::MAX_BYTES)?.to_vec() }
            }
            9 => {
                d.tuple(2)?;
                Self::Released { query: d.byte_array()?, certificate: d.byte_array()? }
            }
            10 => {
                d.tuple(1)?;
                Self::Note { text: d.text(Self::MAX_NOTE)?.to_owned() }
            }
            _ => return Err(d.invalid("not the code of an event")),
        })
    }
}
