//! Federated sums and training: hospitals add up long vectors, or fit one model, without showing what they add.
//!
//! Each site clips every patient's vector, adds them up on an integer grid and uploads the sum under a one-time key
//! ([`mediveil_fhe::vector`]). Members of a committee upload noise in the same way, each of them the full planned Gaussian.
//! A round is closed over what has come; sites that dropped out are left out, and those that drop out later do not matter. Each
//! member shows one sum of key shares, once; from `needed` of these anybody opens the noisy sum, and nothing else. Every
//! round is paid for in the log before anything of it can be opened.
//!
//! | step | type | who | what |
//! |---|---|---|---|
//! | agree | [`Terms`], [`Plan`], [`Federation`] | all | ranges, overflow, ring and price of all rounds proved, or refused with the figure |
//! | begin | [`Round`] | the operator | the debit, and the round with its state, in the log |
//! | contribute | [`SiteSum`], [`Contribution`] | sites, members | clipped vectors and noise, each once, by digest in the log |
//! | close | [`Closing`] | the operator | who is counted: one entry, never another |
//! | answer | [`MemberSum`] | members | one sum of shares, stored before it is sent |
//! | combine | [`Tally`], [`Release`] | anybody | the noisy sum; it consumes the permit |
//! | train | [`Task`], [`Model`] | all | the next round's state, from what was released alone |
//!
//! # Costs
//! For a million entries of 16 bits, ten sites and five members, an upload is 1.79 times the quantised vector, the sealed shares
//! included. The server's time from the bytes of all uploads to the stored release (digests, decoding, additions, decryption,
//! one durable write) is the figure `federate.sum.1m` of `cargo xtask bench`. A member's noise costs far more than that:
//! opendp draws some hundred thousand discrete Gaussians a second and core (`federate.noise.1m`); members draw side by side,
//! before the round closes.
//!
//! # Trust
//! *Sites* are semi-honest about their vectors: a site's own sum is refused beyond what clipped vectors can reach, but
//! there are no proofs of what is inside. *Members*: fewer than `needed` learn nothing; `needed` of them can open any
//! contribution. At least `needed` noises from different members are counted, so one honest noise is, and privacy counts that
//! one alone; it is also the second honest contributor that the encryption asks for in every sum. *The server* sees ciphertexts.
//! *The log* has one closing a round, and each member answers for one set only; against a log that shows different
//! closings to different members, any two quorums still share 2 needed - members of them, all of whom would have to answer twice.
//! *Disruption*: a site whose shares do not fit its vector, or a member that shows something wrong while no more than
//! `needed` answer, spoils a round: it shows, the debit stands, and nobody is named. Nothing here has been audited.

mod clip;
mod closing;
mod contribution;
mod error;
mod hand_in;
mod layout;
mod release;
mod round;
mod simulate;
mod solve;
mod task;
mod terms;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use clip::Grid;
pub use closing::Closing;
pub use contribution::{Contribution, Contributor, Progress, SiteSum, Upload};
pub use error::{FederateError, PlanError, VectorRefused};
pub use layout::Layout;
pub use release::{MemberSum, Release, Tally};
pub use round::Round;
pub use simulate::{Fit, Report, RoundReport, Simulation, evaluate, pooled_fit};
pub use task::{Examples, Feature, Model, Task};
pub use terms::{Federation, Plan, Terms, Unit};
