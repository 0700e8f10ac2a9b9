//! P-256 keys as other tools keep them: PKCS#8 (RFC 5958) and SPKI (RFC 5480) in PEM (RFC 7468).
//!
//! Secret keys may be encrypted with PBES2 (RFC 8018 §6.2). Written are PBKDF2-HMAC-SHA256 with 600,000 iterations and
//! AES-256-CBC, which every current tool reads. Read are also scrypt (RFC 7914) and AES-128 and AES-192, each up to a
//! limit on the work a foreign file may ask for. SHA-1, DES and the schemes before PBES2 are refused.
//!
//! CBC is not authenticated: a wrong passphrase shows as bytes that are no key, which is why the two cannot be told apart.
//! Prefer [`Identity::seal`](crate::identity::Identity::seal) for files that only this project reads.
//!
//! A PKCS#8 key does not say whether it signs or agrees on secrets; the type you read it into decides. Do not read one key
//! into both.

use crate::identity::{EcdhKey, EcdhPublicKey, KeyError, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// PBKDF2 iterations of what is written (OWASP 2023 for HMAC-SHA256).
pub const PBKDF2_ITERATIONS: u32 = 600_000;
/// The most PBKDF2 iterations a file may ask for: some seconds.
pub const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;
/// The most memory that scrypt in a file may ask for, in bytes.
pub const MAX_SCRYPT_MEMORY: u64 = 128 * 1024 * 1024;
/// The most lanes that scrypt in a file may ask for.
pub const MAX_SCRYPT_LANES: u16 = 16;

/// The longest PEM text that is looked at, in bytes.
const MAX_PEM: usize = 16 * 1024;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

fn unwritable<E>(_: E) -> KeyError {
    KeyError::Format("the key cannot be written as PKCS#8")
}

fn write(key: &p256::SecretKey) -> Result<Zeroizing<String>, KeyError> {
    key.to_pkcs8_pem(LineEnding::LF).map_err(unwritable)
}

fn write_encrypted(
    key: &p256::SecretKey,
    passphrase: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Zeroizing<String>, KeyError> {
    if passphrase.is_empty() {
        return Err(KeyError::Format("the passphrase is empty"));
    }
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut iv);
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ITERATIONS, &salt, iv).map_err(unwritable)?;
    let plain = key.to_pkcs8_der().map_err(unwritable)?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(unwritable)?;
    let document = info.encrypt_with_params(parameters, passphrase).map_err(unwritable)?;
    document.to_pem(ENCRYPTED, LineEnding::LF).map_err(unwritable)
}

fn read(pem: &str, passphrase: Option<&[u8]>) -> Result<p256::SecretKey, KeyError> {
    if pem.len() > MAX_PEM {
        return Err(KeyError::Format("the PEM text is too long for a key"));
    }
    let (label, document) = SecretDocument::from_pem(pem).map_err(|_| KeyError::Format("not a PEM text (RFC 7468)"))?;
    match label {
        PLAIN => p256::SecretKey::from_pkcs8_der(document.as_bytes()).map_err(|_| NOT_P256),
        ENCRYPTED => {
            let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
                .map_err(|_| KeyError::Format("not an encrypted PKCS#8 key of a known scheme (PBES2 is needed)"))?;
            check_cost(info.encryption_algorithm.pbes2().ok_or(SCHEME)?)?;
            let plain =
                info.decrypt(passphrase.ok_or(KeyError::PassphraseNeeded)?).map_err(|_| KeyError::Passphrase)?;
            // Any bytes that are no PKCS#8 at all may be the fruit of a wrong passphrase with lucky padding.
            PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|_| KeyError::Passphrase)?;
            p256::SecretKey::from_pkcs8_der(plain.as_bytes()).map_err(|_| NOT_P256)
        }
        "EC PRIVATE KEY" => Err(KeyError::Format(
            "this is the older SEC 1 form; convert it with: openssl pkcs8 -topk8 -nocrypt -in KEY -out KEY.pem",
        )),
        "PUBLIC KEY" => Err(KeyError::Format("this is a public key; the secret key is needed")),
        _ => Err(KeyError::Format("the PEM text holds no PKCS#8 secret key")),
    }
}

const NOT_P256: KeyError = KeyError::Format("not a PKCS#8 key on the curve P-256, or damaged");
const SCHEME: KeyError = KeyError::Format(
    "the key is encrypted by a scheme that is not read; PBES2 with PBKDF2-HMAC-SHA-2 or scrypt and AES-CBC is",
);

/// Refuses a file that asks for an unsupported scheme or for too much work, before any work is done.
fn check_cost(parameters: &Parameters) -> Result<(), KeyError> {
    match parameters.encryption {
        EncryptionScheme::Aes128Cbc { .. }
        | EncryptionScheme::Aes192Cbc { .. }
        | EncryptionScheme::Aes256Cbc { .. } => {}
        _ => return Err(SCHEME),
    }
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) if kdf.prf == pkcs8::pkcs5::pbes2::Pbkdf2Prf::HmacWithSha1 => Err(SCHEME),
        Kdf::Pbkdf2(kdf) => match kdf.iteration_count {
            0 => Err(KeyError::Format("the key is encrypted with zero iterations")),
            1..=MAX_PBKDF2_ITERATIONS => Ok(()),
            _ => Err(KeyError::TooCostly),
        },
        Kdf::Scrypt(kdf) => {
            let (n, r, p) = (kdf.cost_parameter, u64::from(kdf.block_size), kdf.parallelization);
            if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
                return Err(KeyError::Format("the key is encrypted with impossible scrypt parameters"));
            }
            let memory = n.saturating_mul(r).saturating_mul(128);
            if memory > MAX_SCRYPT_MEMORY || p > MAX_SCRYPT_LANES { Err(KeyError::TooCostly) } else { Ok(()) }
        }
        _ => Err(SCHEME),
    }
}

fn read_public(pem: &str) -> Result<p256::PublicKey, KeyError> {
    if pem.len() > MAX_PEM {
        return Err(KeyError::Format("the PEM text is too long for a key"));
    }
    if pem.contains("PRIVATE KEY-----") {
        return Err(KeyError::Format("this is a secret key; the public key is needed"));
    }
    p256::PublicKey::from_public_key_pem(pem)
        .map_err(|_| KeyError::Format("not an SPKI public key on the curve P-256 in PEM"))
}

fn write_public(key: &p256::PublicKey) -> Result<String, KeyError> {
    key.to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::Format("the key cannot be written as SPKI"))
}

fn scalar(bytes: &[u8; 32]) -> Result<p256::SecretKey, KeyError> {
    p256::SecretKey::from_slice(bytes).map_err(|_| KeyError::SecretKey)
}

fn point(sec1: &[u8]) -> Result<p256::PublicKey, KeyError> {
    p256::PublicKey::from_sec1_bytes(sec1).map_err(|_| KeyError::PublicKey)
}

macro_rules! private_pem {
    ($key:ty) => {
        impl $key {
            /// The key as unencrypted PKCS#8 in PEM. Whoever reads the text has the key.
            ///
            /// # Errors
            /// None in practice.
            pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
                write(&scalar(&self.to_bytes())?)
            }

            /// The key as PKCS#8 in PEM, encrypted with PBES2 (PBKDF2-HMAC-SHA256, 600,000 iterations, AES-256-CBC).
            ///
            /// # Errors
            /// [`KeyError::Format`] for an empty passphrase.
            pub fn to_encrypted_pkcs8_pem(
                &self,
                passphrase: &[u8],
                rng: &mut (impl CryptoRng + ?Sized),
            ) -> Result<Zeroizing<String>, KeyError> {
                write_encrypted(&scalar(&self.to_bytes())?, passphrase, rng)
            }

            /// The key in this PKCS#8 PEM text, encrypted or not. A passphrase that is not needed is ignored.
            ///
            /// # Errors
            /// [`KeyError::PassphraseNeeded`], [`KeyError::Passphrase`] and [`KeyError::TooCostly`] for encrypted keys;
            /// [`KeyError::Format`], with what is wrong, for text that is no such key.
            pub fn from_pkcs8_pem(pem: &str, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
                let bytes = Zeroizing::new(read(pem, passphrase)?.to_bytes().into());
                Self::from_bytes(&bytes)
            }
        }
    };
}

private_pem!(SigningKey);
private_pem!(EcdhKey);

macro_rules! public_pem {
    ($key:ty) => {
        impl $key {
            /// The key as SPKI in PEM.
            ///
            /// # Errors
            /// None in practice.
            pub fn to_spki_pem(&self) -> Result<String, KeyError> {
                write_public(&point(&self.to_sec1())?)
            }

            /// The key in this SPKI PEM text.
            ///
            /// # Errors
            /// [`KeyError::Format`], with what is wrong, for text that is no such key.
            pub fn from_spki_pem(pem: &str) -> Result<Self, KeyError> {
                use p256::elliptic_curve::sec1::ToSec1Point;
                Self::from_sec1(read_public(pem)?.to_sec1_point(true).as_bytes())
            }

            /// The key in this SPKI structure in DER.
            ///
            /// # Errors
            /// [`KeyError::PublicKey`] for bytes that are no P-256 key with its named curve.
            pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
                use p256::elliptic_curve::sec1::ToSec1Point;
                let key = p256::PublicKey::from_public_key_der(der).map_err(|_| KeyError::PublicKey)?;
                Self::from_sec1(key.to_sec1_point(true).as_bytes())
            }
        }
    };
}

public_pem!(VerifyingKey);
public_pem!(EcdhPublicKey);
