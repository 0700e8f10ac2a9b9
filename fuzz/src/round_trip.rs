//! Every registered type: bytes are refused, or are the one encoding of a value.
//!
//! The input is an object as it stands, and also a choice of a type with a body for it, so that the fuzzer need not find the
//! frame of each.

use crate::wire::canonical;
use mediveil_abe::{AttributeKey, Authority, PolicyDoor, PublicParameters};
use mediveil_circuits::forms::{
    CredentialRegistry, HeldRecord, IssuerRegister, NamedTable, ProviderRegistry, SignedRecord, TableCommitment,
};
use mediveil_circuits::gadgets::eddsa;
use mediveil_circuits::identity::{Credential, Holder, HolderSecret, Identity as IdentityStatement};
use mediveil_codec::{FRAME_LEN, MAGIC, ObjectType, Wire, peek_type};
use mediveil_dp::{Answer, Debit, Quota, Settlement, Terms};
use mediveil_federate::{Closing, Contribution, MemberSum, Release, Round};
use mediveil_fhe::ceremony::CeremonyMessage;
use mediveil_fhe::opening::{Epoch, OpeningRecord, PartialDecryption};
use mediveil_fhe::program::{EncryptedInputs, EncryptedResult, EvaluationKey, PatientKey};
use mediveil_fhe::vector::{EncryptedVector, KeyShare as VectorKeyShare, ShareSum};
use mediveil_fhe::{CommitteeKey, EncodedCiphertext, MemberKey, Parameters};
use mediveil_ledger::{ConsistencyProof, Entry, Evidence, InclusionProof, SignedHead, SubjectSalt};
use mediveil_record::{Commitment, LeafOpening, RecordSecret};
use mediveil_seal::identity::{Identity, PublicIdentity, SealedIdentity};
use mediveil_seal::ring::{ErasureReceipt, Ring, SealedRing, WrappingFile};
use mediveil_seal::{CoreHeader, Doors};
use mediveil_study::{
    Certificate, Commitment as UploadCommitment, Confirmation, EncryptedAnswer, Manifest, Partial, Registration,
    Terms as StudyTerms,
};
use mediveil_threshold::deal::{CutOff, Enrolled, Plan, Transcript, round0, round1, round2};
use mediveil_threshold::{
    Committee, KeyShare, PublicKey, PublicKeySet, Signed, guardians, recovery, rehearsal, repair, tdh2,
};
use mediveil_zk::ceremony::CeremonyInfo;
use mediveil_zk::forms::StatisticsAnswer;
use mediveil_zk::{ProofFile, ProvingKey, Trust, VerifyingKey};

type Check = fn(&[u8]);

fn of<T: Wire>() -> (ObjectType, Check) {
    (T::TYPE, canonical::<T>)
}

fn proving_key(data: &[u8]) {
    if let Ok(key) = ProvingKey::<IdentityStatement>::decode_wire(data, Trust::Development) {
        assert!(key.encode_wire() == data, "a proving key has two encodings");
    }
}

fn verifying_key(data: &[u8]) {
    if let Ok(key) = VerifyingKey::<IdentityStatement>::decode_wire(data, Trust::Development) {
        assert!(key.encode_wire() == data, "a verifying key has two encodings");
    }
}

/// Whether a ceremony is a good one is for those who have its powers of tau; here it is read.
fn ceremony(data: &[u8]) {
    let _ = CeremonyInfo::read(data);
}

/// The registered types that are checked here.
#[must_use]
pub fn decoders() -> Vec<(ObjectType, Check)> {
    vec![
        of::<CoreHeader>(),
        of::<Doors>(),
        of::<Identity>(),
        of::<PublicIdentity>(),
        of::<SealedIdentity>(),
        of::<Ring>(),
        of::<ErasureReceipt>(),
        of::<WrappingFile>(),
        of::<SealedRing>(),
        of::<RecordSecret>(),
        of::<Commitment>(),
        of::<LeafOpening>(),
        of::<Entry>(),
        of::<SignedHead>(),
        of::<InclusionProof>(),
        of::<ConsistencyProof>(),
        of::<Evidence>(),
        of::<SubjectSalt>(),
        of::<Terms>(),
        of::<Quota>(),
        of::<Debit>(),
        of::<Settlement>(),
        of::<Answer>(),
        of::<Authority>(),
        of::<PublicParameters>(),
        of::<AttributeKey>(),
        of::<PolicyDoor>(),
        of::<Committee>(),
        of::<Plan>(),
        of::<Signed<CutOff>>(),
        of::<Signed<round0::Package>>(),
        of::<Signed<round1::Package>>(),
        of::<Signed<round2::Package>>(),
        of::<Enrolled>(),
        of::<Transcript>(),
        of::<PublicKey>(),
        of::<PublicKeySet>(),
        of::<KeyShare>(),
        of::<tdh2::Ciphertext>(),
        of::<tdh2::DecryptionShare>(),
        of::<guardians::Door>(),
        of::<Signed<recovery::Request>>(),
        of::<Signed<recovery::Notice>>(),
        of::<Signed<recovery::Veto>>(),
        of::<Signed<recovery::Approval>>(),
        of::<Signed<recovery::Completion>>(),
        of::<rehearsal::Call>(),
        of::<rehearsal::Answer>(),
        of::<rehearsal::Proof>(),
        of::<Signed<repair::Request>>(),
        of::<Signed<repair::Split>>(),
        of::<Signed<repair::Sum>>(),
        of::<Signed<repair::Closing>>(),
        of::<repair::Lost>(),
        of::<repair::Transcript>(),
        (ObjectType::ZkProvingKey, proving_key),
        (ObjectType::ZkVerifyingKey, verifying_key),
        (ObjectType::ZkCeremony, ceremony),
        of::<ProofFile>(),
        of::<StatisticsAnswer>(),
        of::<HolderSecret>(),
        of::<eddsa::SigningKey>(),
        of::<eddsa::PublicKey>(),
        of::<eddsa::Signature>(),
        of::<Credential>(),
        of::<Holder>(),
        of::<IssuerRegister>(),
        of::<CredentialRegistry>(),
        of::<ProviderRegistry>(),
        of::<SignedRecord>(),
        of::<HeldRecord>(),
        of::<NamedTable>(),
        of::<TableCommitment>(),
        of::<Parameters>(),
        of::<CommitteeKey>(),
        of::<MemberKey>(),
        of::<EncodedCiphertext>(),
        of::<PartialDecryption>(),
        of::<OpeningRecord>(),
        of::<CeremonyMessage>(),
        of::<Epoch>(),
        of::<EncryptedVector>(),
        of::<VectorKeyShare>(),
        of::<ShareSum>(),
        of::<mediveil_federate::Terms>(),
        of::<Round>(),
        of::<Contribution>(),
        of::<Closing>(),
        of::<MemberSum>(),
        of::<Release>(),
        of::<PatientKey>(),
        of::<EvaluationKey>(),
        of::<EncryptedInputs>(),
        of::<EncryptedResult>(),
        of::<StudyTerms>(),
        of::<Confirmation>(),
        of::<Manifest>(),
        of::<UploadCommitment>(),
        of::<Registration>(),
        of::<Partial>(),
        of::<EncryptedAnswer>(),
        of::<Certificate>(),
    ]
}

/// An object of any type, framed or not.
pub fn codec_round_trip(data: &[u8]) {
    let decoders = decoders();
    if let Some(kind) = peek_type(data)
        && let Some((_, check)) = decoders.iter().find(|(known, _)| *known == kind)
    {
        check(data);
    }
    let Some((choice, body)) = data.split_first() else { return };
    let Some((kind, check)) = decoders.get(usize::from(*choice) % decoders.len()) else { return };
    let Ok(len) = u32::try_from(body.len()) else { return };
    let mut framed = Vec::with_capacity(FRAME_LEN + body.len());
    framed.extend_from_slice(&MAGIC);
    framed.extend_from_slice(&kind.code().to_be_bytes());
    framed.extend_from_slice(&[1, 0]);
    framed.extend_from_slice(&len.to_be_bytes());
    framed.extend_from_slice(body);
    check(&framed);
}
