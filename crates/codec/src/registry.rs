//! The one registry of object types. Codes are never re-used; a retired type keeps its line.

macro_rules! object_types {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// What a framed object is. The code is on the wire, the name in errors and armour.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ObjectType {
            $($(#[$doc])* $variant = $code,)*
        }

        impl ObjectType {
            /// Every registered type, in the order of the registry.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The name in errors, armour and listings: lower case, words joined by hyphens.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type with this code, if it is registered.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

object_types! {
    // 0x01: sealed files
    /// The immutable core header of a sealed file.
    SealedCore = 0x0101, "sealed-core";
    /// The doors of a sealed file: stanzas under a MAC of the content key.
    Doors = 0x0102, "doors";
    // 0x02: identities and key rings
    /// A secret identity: signing and sealing keys.
    Identity = 0x0201, "identity";
    /// The public half of an identity.
    PublicIdentity = 0x0202, "public-identity";
    /// A secret identity in a sealed file.
    SealedIdentity = 0x0203, "sealed-identity";
    /// A key ring with its versions.
    KeyRing = 0x0210, "key-ring";
    /// A signed receipt for a destroyed key version.
    ErasureReceipt = 0x0211, "erasure-receipt";
    /// The small file that a key ring can be bound to.
    WrappingKey = 0x0212, "wrapping-key";
    /// A key ring as it lies on the disk.
    SealedRing = 0x0213, "sealed-ring";
    // 0x03: records
    /// The secret behind a record's commitments.
    RecordSecret = 0x0301, "record-secret";
    /// The commitment to one resource of a record.
    Commitment = 0x0302, "commitment";
    /// One opened leaf of a committed resource.
    LeafOpening = 0x0303, "leaf-opening";
    // 0x04: the log
    /// An entry of a log.
    LogEntry = 0x0401, "log-entry";
    /// A signed tree head of a log.
    TreeHead = 0x0402, "tree-head";
    /// A proof that an entry is in a log.
    InclusionProof = 0x0403, "inclusion-proof";
    /// A proof that one state of a log extends another.
    ConsistencyProof = 0x0404, "consistency-proof";
    /// An entry with its inclusion proof and the head it leads to.
    LogEvidence = 0x0405, "log-evidence";
    /// The secret that makes pseudonyms of patients for a log.
    SubjectSalt = 0x0406, "subject-salt";
    // 0x05: differential privacy
    /// What the budget of a data set is and promises.
    BudgetTerms = 0x0501, "budget-terms";
    /// A cap of a researcher, project or purpose beneath a budget.
    BudgetQuota = 0x0502, "budget-quota";
    /// A debit of a budget.
    BudgetDebit = 0x0503, "budget-debit";
    /// A debit's answer, by its digest.
    BudgetAnswer = 0x0504, "budget-answer";
    /// A noisy answer of a table.
    NoisyAnswer = 0x0505, "noisy-answer";
    // 0x06: attribute-based encryption
    /// An attribute authority with its master secret.
    AttributeAuthority = 0x0601, "attribute-authority";
    /// The public parameters of an attribute authority.
    AuthorityParameters = 0x0602, "authority-parameters";
    /// A key for a set of attributes.
    AttributeKey = 0x0603, "attribute-key";
    /// The body of a policy's stanza.
    PolicyDoor = 0x0604, "policy-door";
    // 0x07: threshold keys
    /// A committee: members, how many are needed, and what for.
    Committee = 0x0701, "committee";
    /// The plan of a key generation, refresh or resharing.
    KeyPlan = 0x0702, "key-plan";
    /// The signed end of a protocol round.
    CutOff = 0x0703, "cut-off";
    /// Round 0 of a key protocol: a member's encryption key of the epoch.
    Enrolment = 0x0704, "enrolment";
    /// Round 1 of a key protocol: a dealer's commitments and encrypted shares.
    Dealing = 0x0705, "dealing";
    /// Round 2 of a key protocol: a member's complaints.
    Complaints = 0x0706, "complaints";
    /// The secret state of a member within a key protocol.
    Enrolled = 0x0707, "enrolled";
    /// Everything public of a finished key protocol.
    CeremonyTranscript = 0x0708, "ceremony-transcript";
    /// The public key of a committee; it never changes.
    ThresholdPublicKey = 0x0709, "threshold-public-key";
    /// A committee's public key with the commitments of one epoch.
    PublicKeySet = 0x070a, "public-key-set";
    /// A member's secret share of a committee's key.
    KeyShare = 0x070b, "key-share";
    /// An encapsulation for a committee.
    ThresholdCiphertext = 0x070c, "threshold-ciphertext";
    /// A member's share of one decryption.
    DecryptionShare = 0x070d, "decryption-share";
    /// A committee's door in a sealed file.
    CommitteeDoor = 0x070e, "committee-door";
    /// A signed wish to have a committee's door opened for a new identity.
    RecoveryRequest = 0x070f, "recovery-request";
    /// A guardian's signed word that it has seen a request.
    RecoveryNotice = 0x0710, "recovery-notice";
    /// The owner's signed word against a request.
    RecoveryVeto = 0x0711, "recovery-veto";
    /// A guardian's signed approval, with its share for the new identity.
    RecoveryApproval = 0x0712, "recovery-approval";
    /// The new identity's signed word that the door is open.
    RecoveryCompletion = 0x0713, "recovery-completion";
    /// What a committee is asked to rehearse on.
    RehearsalCall = 0x0714, "rehearsal-call";
    /// A member's answer to a rehearsal.
    RehearsalAnswer = 0x0715, "rehearsal-answer";
    /// The proof that enough members answered a rehearsal.
    RehearsalProof = 0x0716, "rehearsal-proof";
    /// A member's signed wish to have its share repaired.
    RepairRequest = 0x0717, "repair-request";
    /// Round 1 of a repair: a helper's share in parts.
    RepairSplit = 0x0718, "repair-split";
    /// Round 2 of a repair: a helper's sum of parts, or its complaints.
    RepairSum = 0x0719, "repair-sum";
    /// The end of a repair, signed by the member whose share was lost.
    RepairClosing = 0x071a, "repair-closing";
    /// The secret state of a member whose share is being repaired.
    RepairState = 0x071b, "repair-state";
    /// Everything public of a repair.
    RepairTranscript = 0x071c, "repair-transcript";
    // 0x08: proofs in zero knowledge
    /// A Groth16 proving key of a statement.
    ZkProvingKey = 0x0801, "zk-proving-key";
    /// A Groth16 verifying key of a statement.
    ZkVerifyingKey = 0x0802, "zk-verifying-key";
    /// A Groth16 proof of a statement with its public inputs.
    ZkProof = 0x0803, "zk-proof";
    /// The transcript of a setup by several parties, with the keys it has reached.
    ZkCeremony = 0x0804, "zk-ceremony";
    /// Totals of a table with their proofs, one a chunk.
    StatisticsAnswer = 0x0805, "statistics-answer";
    /// The secret behind a holder's nullifiers.
    HolderSecret = 0x0810, "holder-secret";
    /// A provider's secret key for signing record commitments.
    ProviderKey = 0x0811, "provider-key";
    /// The public half of a provider's key.
    ProviderPublicKey = 0x0812, "provider-public-key";
    /// A provider's signature on a record commitment for a holder.
    ProviderSignature = 0x0813, "provider-signature";
    /// What an issuer attests of a holder.
    Credential = 0x0814, "credential";
    /// A holder as issuers and providers know them: the hash of the secret.
    Holder = 0x0815, "holder";
    /// An issuer's own list of persons and their credentials.
    IssuerRegister = 0x0816, "issuer-register";
    /// What an issuer publishes: the leaves of its credentials.
    CredentialRegistry = 0x0817, "credential-registry";
    /// Accredited providers by name and key.
    ProviderRegistry = 0x0818, "provider-registry";
    /// A record's commitment with a provider's signature for a holder.
    SignedRecord = 0x0819, "signed-record";
    /// A holder's signed resources and the secret that opens them.
    HeldRecord = 0x081a, "held-record";
    /// The rows of a table and their salts.
    StatisticsTable = 0x081b, "statistics-table";
    /// What is published of a table: columns, number of rows, root.
    TableCommitment = 0x081c, "table-commitment";
    // 0x09: computing on encrypted columns
    /// A parameter set of packed BFV.
    FheParameters = 0x0901, "fhe-parameters";
    /// A committee's terms and public keys for packed BFV.
    FheCommitteeKey = 0x0902, "fhe-committee-key";
    /// One member's share of a committee's secret key.
    FheMemberKey = 0x0903, "fhe-member-key";
    /// A block of encrypted slots.
    FheCiphertext = 0x0904, "fhe-ciphertext";
    /// A quorum of a committee and its number.
    FheEpoch = 0x0905, "fhe-epoch";
    /// One member's part in opening ciphertexts.
    FhePartialDecryption = 0x0906, "fhe-partial-decryption";
    /// What a quorum opened, for those who have no ciphertexts.
    FheOpening = 0x0907, "fhe-opening";
    /// A message of the key ceremony.
    FheCeremonyMessage = 0x0910, "fhe-ceremony-message";
    /// A patient's secret key for models on encrypted values.
    ModelPatientKey = 0x0920, "model-patient-key";
    /// What a patient gives to those who evaluate models.
    ModelEvaluationKey = 0x0921, "model-evaluation-key";
    /// One patient's encrypted values.
    ModelInputs = 0x0922, "model-inputs";
    /// The encrypted answer of a model.
    ModelResult = 0x0923, "model-result";
    /// A vector under a one-time key: one contributor's part of a sum.
    FheVector = 0x0931, "fhe-vector";
    /// A member's share of a one-time key.
    FheVectorKeyShare = 0x0932, "fhe-vector-key-share";
    /// A member's sum of such shares.
    FheVectorShareSum = 0x0933, "fhe-vector-share-sum";
    // 0x0a: studies
    /// What a study is: schema, sites, committee, budget and log.
    StudyTerms = 0x0a01, "study-terms";
    /// A member's word on the committee's key.
    StudyKeyConfirmation = 0x0a02, "study-key-confirmation";
    /// What a site uploads, ciphertext by ciphertext, by digests.
    StudyUpload = 0x0a03, "study-upload";
    /// A site's commitment to its upload.
    StudyCommitment = 0x0a04, "study-commitment";
    /// A query with its quorum, as the log holds it.
    StudyQuery = 0x0a05, "study-query";
    /// Encrypted sums over some of the blocks.
    StudyPartial = 0x0a06, "study-partial";
    /// Encrypted sums over all blocks, signed by a named evaluator.
    StudyAnswer = 0x0a07, "study-answer";
    /// A released answer with everything it rests on.
    StudyCertificate = 0x0a08, "study-certificate";
    // 0x0b: federated sums and training
    /// The terms of a federation: sites, committee, rounds, clip, budget.
    FederateTerms = 0x0b01, "federate-terms";
    /// A round of a federation in the log.
    FederateRound = 0x0b02, "federate-round";
    /// A contribution to a round: its vector by digest, and the sealed shares of its key.
    FederateContribution = 0x0b03, "federate-contribution";
    /// The contributions that a round counts.
    FederateClosing = 0x0b04, "federate-closing";
    /// A member's part in opening a round.
    FederateMemberSum = 0x0b05, "federate-member-sum";
    /// The noisy sum of a round.
    FederateRelease = 0x0b06, "federate-release";
}

impl std::fmt::Display for ObjectType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ObjectType;
    use std::collections::HashSet;

    /// The registry is frozen: a line may be added, never changed. Change this text only to append.
    const FROZEN: &str = include_str!("../tests/registry.txt");

    #[test]
    fn registry_is_frozen() {
        let now: String = ObjectType::ALL.iter().map(|t| format!("{:04x} {}\n", t.code(), t.name())).collect();
        assert_eq!(now, FROZEN, "the registry of object types changed");
    }

    #[test]
    fn codes_and_names_are_unique_and_ascending() {
        let codes: Vec<u16> = ObjectType::ALL.iter().map(|t| t.code()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b));
        let names: HashSet<_> = ObjectType::ALL.iter().map(|t| t.name()).collect();
        assert_eq!(names.len(), codes.len());
        for t in ObjectType::ALL {
            assert_eq!(ObjectType::from_code(t.code()), Some(*t));
            assert!(t.name().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }
        assert_eq!(ObjectType::from_code(0), None);
    }
}
