//! P-256 keys as JSON Web Keys (RFC 7517; members of EC keys by RFC 7518 §6.2; thumbprints by RFC 7638).
//!
//! Written are `kty`, `crv`, `x`, `y`, for secret keys `d`, and `use`, `alg` and `kid`, the last being the SHA-256
//! thumbprint. `alg` is `ES256` for signing keys and `ECDH-ES` for sealing keys.
//!
//! Reading is strict where a key could be mistaken for another: coordinates of exactly 32 bytes in base64url without
//! padding (RFC 7518 §6.2.1.2), the point on the curve, `d` matching it, and `use`, `key_ops` and `alg`, where they
//! stand, agreeing with what the key is read for. A secret key is not read as a public one. Members of other names are
//! ignored (RFC 7517 §4) and `kid` may be anything, because issuers choose it.

use crate::identity::{EcdhKey, EcdhPublicKey, KeyError, SigningKey, VerifyingKey};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The longest JWK text that is looked at, in bytes; certificates may stand in it.
const MAX_JWK: usize = 64 * 1024;

/// The members that are looked at. `d` is borrowed from the input, so that no copy of the secret is made; base64url needs
/// no escapes.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: Cow<'a, str>,
    #[serde(default)]
    crv: Option<Cow<'a, str>>,
    #[serde(default)]
    x: Option<&'a str>,
    #[serde(default)]
    y: Option<&'a str>,
    #[serde(default)]
    d: Option<&'a str>,
    #[serde(default, rename = "use")]
    usage: Option<Cow<'a, str>>,
    #[serde(default)]
    key_ops: Option<Vec<Cow<'a, str>>>,
    #[serde(default)]
    alg: Option<Cow<'a, str>>,
}

/// What a key is read for.
struct Purpose {
    usage: &'static str,
    algs: &'static [&'static str],
    secret_ops: &'static [&'static str],
    public_ops: &'static [&'static str],
}

const SIGN: Purpose =
    Purpose { usage: "sig", algs: &["ES256"], secret_ops: &["sign", "verify"], public_ops: &["verify"] };
const AGREE: Purpose = Purpose {
    usage: "enc",
    algs: &["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"],
    secret_ops: &["deriveKey", "deriveBits"],
    public_ops: &["deriveKey", "deriveBits"],
};

fn parse<'a>(json: &'a str, purpose: &Purpose, secret: bool) -> Result<Jwk<'a>, KeyError> {
    if json.len() > MAX_JWK {
        return Err(KeyError::Format("the JWK is too long for a key"));
    }
    let jwk: Jwk<'a> = serde_json::from_str(json)
        .map_err(|_| KeyError::Format("not a JSON Web Key: one JSON object with kty, each member once"))?;
    if jwk.kty != "EC" || jwk.crv.as_deref() != Some("P-256") {
        return Err(KeyError::Format("the JWK is no key on the curve P-256 (kty EC, crv P-256)"));
    }
    if jwk.usage.as_deref().is_some_and(|usage| usage != purpose.usage) {
        return Err(KeyError::Format("the JWK's use says that it is for something else"));
    }
    if jwk.alg.as_deref().is_some_and(|alg| !purpose.algs.contains(&alg)) {
        return Err(KeyError::Format("the JWK's alg says that it is for something else"));
    }
    let allowed = if secret { purpose.secret_ops } else { purpose.public_ops };
    if jwk.key_ops.as_ref().is_some_and(|ops| !ops.iter().all(|op| allowed.contains(&op.as_ref()))) {
        return Err(KeyError::Format("the JWK's key_ops say that it is for something else"));
    }
    match (secret, jwk.d.is_some()) {
        (true, false) => Err(KeyError::Format("this JWK is a public key; the secret key is needed")),
        (false, true) => Err(KeyError::Format("this JWK is a secret key; the public key is needed")),
        _ => Ok(jwk),
    }
}

fn coordinate(text: Option<&str>, out: &mut [u8; 32]) -> Result<(), KeyError> {
    let text = text.ok_or(KeyError::Format("a coordinate or the secret of the JWK is missing"))?;
    match Base64UrlUnpadded::decode(text, out) {
        Ok(bytes) if bytes.len() == 32 => Ok(()),
        _ => Err(KeyError::Format("a member of the JWK is not 32 bytes in base64url without padding")),
    }
}

/// The point in uncompressed SEC1 encoding, not yet checked to be on the curve.
fn point(jwk: &Jwk<'_>) -> Result<[u8; 65], KeyError> {
    let (mut x, mut y) = ([0; 32], [0; 32]);
    coordinate(jwk.x, &mut x)?;
    coordinate(jwk.y, &mut y)?;
    let mut sec1 = [4; 65];
    for (to, from) in sec1.iter_mut().skip(1).zip(x.iter().chain(&y)) {
        *to = *from;
    }
    Ok(sec1)
}

fn scalar(jwk: &Jwk<'_>) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut d = Zeroizing::new([0; 32]);
    coordinate(jwk.d, &mut d)?;
    Ok(d)
}

fn base64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// RFC 7638 §3: SHA-256 over the required members in lexicographic order, without blanks.
fn thumbprint((x, y): ([u8; 32], [u8; 32])) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64(&x), base64(&y));
    base64(&Sha256::digest(members))
}

fn write_public(at: ([u8; 32], [u8; 32]), purpose: &Purpose) -> String {
    let alg = purpose.algs.first().copied().unwrap_or_default();
    format!(
        r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}","use":"{}","alg":"{alg}","kid":"{}"}}"#,
        base64(&at.0),
        base64(&at.1),
        purpose.usage,
        thumbprint(at)
    )
}

fn write_secret(at: ([u8; 32], [u8; 32]), d: &[u8; 32], purpose: &Purpose) -> Zeroizing<String> {
    let public = write_public(at, purpose);
    let d = Zeroizing::new(base64(d));
    // Room for all of it, so that the secret is never copied to a longer buffer.
    let mut text = Zeroizing::new(String::with_capacity(public.len().saturating_add(64)));
    text.push_str(public.strip_suffix('}').unwrap_or(&public));
    text.push_str(r#","d":""#);
    text.push_str(&d);
    text.push_str("\"}");
    text
}

macro_rules! jwk {
    ($secret:ty, $public:ty, $purpose:expr, $own_public:ident) => {
        impl $public {
            /// The key as a JWK, in one line.
            #[must_use]
            pub fn to_jwk(&self) -> String {
                write_public(self.coordinates(), &$purpose)
            }

            /// The key in this JWK.
            ///
            /// # Errors
            /// [`KeyError::Format`], with what is wrong; [`KeyError::PublicKey`] for a point off the curve.
            pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
                Self::from_sec1(&point(&parse(json, &$purpose, false)?)?)
            }

            /// The key's SHA-256 thumbprint (RFC 7638) in base64url: its `kid`.
            #[must_use]
            pub fn thumbprint(&self) -> String {
                thumbprint(self.coordinates())
            }
        }

        impl $secret {
            /// The key as a JWK, in one line. Whoever reads the text has the key.
            #[must_use]
            pub fn to_jwk(&self) -> Zeroizing<String> {
                write_secret(self.$own_public().coordinates(), &self.to_bytes(), &$purpose)
            }

            /// The key in this JWK.
            ///
            /// # Errors
            /// [`KeyError::Format`], with what is wrong; [`KeyError::PublicKey`] for a point off the curve and
            /// [`KeyError::SecretKey`] for a secret out of range.
            pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
                let jwk = parse(json, &$purpose, true)?;
                let public = <$public>::from_sec1(&point(&jwk)?)?;
                let key = Self::from_bytes(&*scalar(&jwk)?)?;
                if !bool::from(key.$own_public().to_sec1().ct_eq(&public.to_sec1())) {
                    return Err(KeyError::Format("the JWK's secret does not match its coordinates"));
                }
                Ok(key)
            }
        }
    };
}

jwk!(SigningKey, VerifyingKey, SIGN, verifying_key);
jwk!(EcdhKey, EcdhPublicKey, AGREE, public);
