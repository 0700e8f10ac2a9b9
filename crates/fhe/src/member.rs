//! One member's share of the committee's secret.

use crate::key::{CommitteeKey, KeyId, MAX_POLY, Terms};
use crate::ring;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use std::fmt;
use zeroize::Zeroizing;

/// A member's share. Wiped on drop. Store its [`encode_secret`](Wire::encode_secret) in a sealed file.
///
/// `needed` of these open everything that was ever encrypted under the key. One opens nothing, and is used only through
/// [`MemberKey::decrypt`](crate::MemberKey::decrypt), which answers each request once.
pub struct MemberKey {
    key: KeyId,
    member: u32,
    /// The share's residues, packed.
    share: Zeroizing<Vec<u8>>,
}

impl MemberKey {
    pub(crate) fn assemble(key: &CommitteeKey, member: u32, share: &[u64]) -> Self {
        let parameters = key.parameters();
        let packed = ring::pack_residues(share, parameters.context(), parameters.slots_per_block());
        Self { key: key.id(), member, share: Zeroizing::new(packed) }
    }

    /// The committee's key.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The member's number, from 1.
    #[must_use]
    pub const fn member(&self) -> u32 {
        self.member
    }

    /// The share's residues in the power basis, prime-major; `None` if the bytes are not of the ring of `key`.
    pub(crate) fn share(&self, key: &CommitteeKey) -> Option<Zeroizing<Vec<u64>>> {
        let parameters = key.parameters();
        ring::unpack_residues(&self.share, parameters.context(), parameters.slots_per_block())
    }
}

impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberKey")
    }
}

impl Wire for MemberKey {
    const TYPE: ObjectType = ObjectType::FheMemberKey;
    const MAX_BODY: usize = MAX_POLY + 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.key.0).u32(self.member).bytes(&self.share);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let key = KeyId(d.byte_array()?);
        let member = d.u32()?;
        if usize::try_from(member).map_or(true, |m| !(1..=Terms::MAX_MEMBERS).contains(&m)) {
            return Err(d.invalid("members are numbered from 1 to 64"));
        }
        Ok(Self { key, member, share: Zeroizing::new(d.bytes(MAX_POLY)?.to_vec()) })
    }
}
