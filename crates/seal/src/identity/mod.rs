//! Identities: who signs, and who can be sealed for.
//!
//! | module | what it holds |
//! |---|---|
//! | `keys` | ECDSA P-256: [`SigningKey`], [`VerifyingKey`], [`Signature`] |
//! | `sealing` | HPKE: [`SealingKey`], [`SealingPublicKey`] |
//! | `ecdh` | ECDH P-256: [`EcdhKey`], [`EcdhPublicKey`] |
//! | `secret`, `public` | [`Identity`] and [`PublicIdentity`]: the keys of one person together |
//! | `pem`, `jwk` | the same keys as other tools keep them: PKCS#8, SPKI, JWK |
//! | `key_file` | reading a key file of any of these forms |

mod ecdh;
mod jwk;
mod key_file;
mod keys;
mod pem;
mod public;
mod sealing;
mod secret;

pub use ecdh::{EcdhKey, EcdhPublicKey};
pub use key_file::{KeyFileForm, SealedIdentity};
pub use keys::{KeyError, Signature, SigningKey, VerifyingKey};
pub use pem::{MAX_PBKDF2_ITERATIONS, MAX_SCRYPT_LANES, MAX_SCRYPT_MEMORY, PBKDF2_ITERATIONS};
pub use public::PublicIdentity;
pub use sealing::{SealingKem, SealingKey, SealingPublicKey};
pub use secret::{Identity, IdentityKind};
