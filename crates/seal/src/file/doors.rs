//! The list of doors, authenticated under the content key.

use crate::crypto::{Schedule, hmac};
use crate::file::{OpenError, SealError};
use crate::{ContentKey, Context, CoreHeader, DoorKind, Opener, Opening, Recipient, Stanza};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

/// The most doors a file can have.
pub const MAX_DOORS: usize = 1024;

/// The doors of a file and their MAC (HMAC-SHA256 under a key from the content key and the core header).
///
/// Whoever can open the file can also make another list of doors for it; the MAC shows that nobody else has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doors {
    stanzas: Vec<Stanza>,
    mac: [u8; 32],
}

impl Doors {
    /// A list under its MAC.
    pub(crate) fn new(stanzas: Vec<Stanza>, schedule: &Schedule, context: &Context) -> Result<Self, SealError> {
        if stanzas.is_empty() {
            return Err(SealError::NoDoors);
        }
        if stanzas.len() > MAX_DOORS || stanzas.iter().any(|s| s.body.len() > Stanza::MAX_BODY) {
            return Err(SealError::TooManyDoors);
        }
        if stanzas.iter().filter(|s| s.kind == DoorKind::PASSPHRASE).count() > 1 {
            return Err(SealError::SecondPassphrase);
        }
        let mut doors = Self { stanzas, mac: [0; 32] };
        if doors.body_len() > Self::MAX_BODY {
            return Err(SealError::TooManyDoors);
        }
        doors.mac = doors.expected_mac(schedule, context);
        Ok(doors)
    }

    /// Wraps `key` for each recipient.
    pub(crate) fn wrap(
        recipients: &[&dyn Recipient],
        key: &ContentKey,
        context: &Context,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<Stanza>, SealError> {
        recipients.iter().map(|r| r.wrap(key, context, rng).map_err(SealError::Wrap)).collect()
    }

    /// The stanzas in the order of the file.
    #[must_use]
    pub fn stanzas(&self) -> &[Stanza] {
        &self.stanzas
    }

    fn body_len(&self) -> usize {
        self.stanzas.iter().fold(64, |n: usize, s| n.saturating_add(s.body.len()).saturating_add(48))
    }

    /// HMAC over the encoding of this list with a MAC of zeros.
    fn expected_mac(&self, schedule: &Schedule, context: &Context) -> [u8; 32] {
        let unauthenticated = Self { stanzas: self.stanzas.clone(), mac: [0; 32] };
        hmac(&schedule.doors(context.core_digest()), &unauthenticated.encode())
    }

    /// Tries every opener on every door; the content key must meet the header's commitment and the list its MAC.
    pub(crate) fn unlock(
        &self,
        core: &CoreHeader,
        context: &Context,
        openers: &[&dyn Opener],
    ) -> Result<(ContentKey, Schedule), OpenError> {
        let mut refusals = Vec::new();
        for stanza in &self.stanzas {
            for opener in openers {
                match opener.open_stanza(stanza, context) {
                    Opening::NotMine => {}
                    Opening::Refused(refusal) => refusals.push(refusal),
                    Opening::Opened(key) => {
                        let schedule = core.schedule(&key).ok_or(OpenError::Tampered)?;
                        let mac = self.expected_mac(&schedule, context);
                        if !bool::from(mac.ct_eq(&self.mac)) {
                            return Err(OpenError::Tampered);
                        }
                        return Ok((key, schedule));
                    }
                }
            }
        }
        refusals.dedup();
        Err(OpenError::NoDoor { kinds: self.stanzas.iter().map(|s| s.kind.clone()).collect(), refusals })
    }
}

impl Wire for Doors {
    const TYPE: ObjectType = ObjectType::Doors;
    const MAX_BODY: usize = 4 * 1024 * 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2).list(&self.stanzas, |e, s| s.encode(e)).bytes(&self.mac);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let stanzas = d.list(MAX_DOORS, Stanza::decode)?;
        if stanzas.is_empty() {
            return Err(d.invalid("a file without doors"));
        }
        if stanzas.iter().filter(|s| s.kind == DoorKind::PASSPHRASE).count() > 1 {
            return Err(d.invalid("more than one passphrase"));
        }
        Ok(Self { stanzas, mac: d.byte_array()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_codec::DecodeErrorKind;
    use mediveil_codec::testing::check_wire;

    fn stanza(kind: DoorKind) -> Stanza {
        Stanza { kind, body: vec![7; 3] }
    }

    #[test]
    fn frozen_bytes() {
        let doors = Doors { stanzas: vec![stanza(DoorKind::HPKE_P256), stanza(DoorKind::PASSPHRASE)], mac: [9; 32] };
        check_wire(
            &doors,
            "894d4456 0102 01 00 00000043 82 82
             82 6968706b652d70323536 43070707
             82 6a70617373706872617365 43070707
             5820 0909090909090909090909090909090909090909090909090909090909090909",
        );
    }

    #[test]
    fn limits_hold_on_both_sides() {
        let refused = |stanzas: Vec<Stanza>| Doors::decode(&Doors { stanzas, mac: [0; 32] }.encode()).unwrap_err().kind;
        assert_eq!(refused(vec![]), DecodeErrorKind::Invalid("a file without doors"));
        assert_eq!(
            refused(vec![stanza(DoorKind::PASSPHRASE); 2]),
            DecodeErrorKind::Invalid("more than one passphrase")
        );
        assert_eq!(
            refused(vec![stanza(DoorKind::HPKE_P256); 10_000]),
            DecodeErrorKind::FieldTooLong { found: 10_000, limit: MAX_DOORS }
        );
        assert_eq!(
            refused(vec![stanza(DoorKind::from_static("No Such Kind"))]),
            DecodeErrorKind::Invalid("not the name of a kind of door")
        );

        let key = ContentKey::from_bytes([1; 32]);
        let context = Context::new([0; 32], vec![]);
        let schedule = Schedule::new(&key, &[2; 32]);
        let made = |stanzas| Doors::new(stanzas, &schedule, &context).map(|_| ());
        assert!(matches!(made(vec![]), Err(SealError::NoDoors)));
        assert!(matches!(made(vec![stanza(DoorKind::PASSPHRASE); 2]), Err(SealError::SecondPassphrase)));
        assert!(matches!(made(vec![stanza(DoorKind::HPKE_P256); MAX_DOORS + 1]), Err(SealError::TooManyDoors)));
        let wide = Stanza { kind: DoorKind::POLICY, body: vec![0; Stanza::MAX_BODY] };
        assert!(matches!(made(vec![wide; 16]), Err(SealError::TooManyDoors)));
        assert!(made(vec![stanza(DoorKind::HPKE_P256); MAX_DOORS]).is_ok());
    }

    /// Someone who holds two keys makes a file whose doors and MAC fit the second: only the commitment is in the way.
    #[test]
    fn the_commitment_alone_refuses_a_second_content_key() {
        struct Second;
        impl Opener for Second {
            fn open_stanza(&self, _: &Stanza, _: &Context) -> Opening {
                Opening::Opened(ContentKey::from_bytes([2; 32]))
            }
        }
        let first = ContentKey::from_bytes([1; 32]);
        let mut rng = mediveil_rng::SeededRng::from_u64(1);
        let (core, _) = CoreHeader::new(crate::Suite::default(), false, vec![], &first, &mut rng);
        let context = core.door_context(&core.encode());
        let second = core.schedule_of(&ContentKey::from_bytes([2; 32]));
        let doors = Doors::new(vec![stanza(DoorKind::HPKE_P256)], &second, &context).unwrap();
        assert!(matches!(doors.unlock(&core, &context, &[&Second]), Err(OpenError::Tampered)));
    }
}
