//! Identities.

use crate::memory::{self, Out};
use crate::status::{Failure, entry, mediveil_status};
use mediveil_codec::{DecodeError, Wire, armor};
use mediveil_seal::identity::{Identity, IdentityKind, PublicIdentity};
use mediveil_seal::{AtomicFile, Passphrase};
use std::ffi::c_char;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Key files are short; a wrong file is noticed before it fills the memory.
const MAX_KEY_FILE: u64 = 1 << 20;

/// The secret half of an identity. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_identity(pub(crate) Arc<Identity>);

/// The public half of an identity. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_public(pub(crate) Arc<PublicIdentity>);

pub(crate) fn read_file(path: *const c_char) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(Path::new(memory::text(path)?))?.take(MAX_KEY_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An object, in armour or not.
pub(crate) fn object<T: Wire>(file: &[u8]) -> Result<T, DecodeError> {
    if armor::is_armored(file) { armor::decode(file) } else { T::decode(file) }
}

pub(crate) fn write_file(path: *const c_char, text: &str, private: bool) -> Result<(), Failure> {
    let path = Path::new(memory::text(path)?);
    Ok(AtomicFile::options().private(private).keep_existing(private).write(path, text.as_bytes())?)
}

fn phrase(passphrase: *const c_char) -> Result<Option<Passphrase>, Failure> {
    Ok(memory::maybe_text(passphrase)?.map(Passphrase::new))
}

/// Makes a new identity: P-256 keys, and with `hybrid` a post-quantum sealing key as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_identity_generate(hybrid: bool, out: *mut *mut mediveil_identity) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let kind = if hybrid { IdentityKind::Hybrid } else { IdentityKind::P256 };
        let identity = Identity::generate(kind, &mut mediveil_rng::system())?;
        memory::make(out, mediveil_identity(Arc::new(identity)))
    })
}

/// Reads a key file; `passphrase` may be NULL. MEDIVEIL_NO_KEY without its passphrase or with a wrong one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_identity_load(
    path: *const c_char,
    passphrase: *const c_char,
    out: *mut *mut mediveil_identity,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let (text, phrase) = (read_file(path)?, phrase(passphrase)?);
        let identity = Identity::from_key_file(&text, phrase.as_ref())?;
        memory::make(out, mediveil_identity(Arc::new(identity)))
    })
}

/// Writes a key file that its owner alone can read, under a passphrase unless it is NULL. MEDIVEIL_EXISTS where a file is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_identity_save(
    identity: *const mediveil_identity,
    path: *const c_char,
    passphrase: *const c_char,
) -> mediveil_status {
    entry(|| {
        let (identity, phrase) = (memory::get(identity)?, phrase(passphrase)?);
        let text = identity.0.to_key_file(phrase.as_ref(), &mut mediveil_rng::system())?;
        write_file(path, &text, true)
    })
}

/// The public half of an identity, as a handle of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_identity_public(
    identity: *const mediveil_identity,
    out: *mut *mut mediveil_public,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let public = memory::get(identity)?.0.public().clone();
        memory::make(out, mediveil_public(Arc::new(public)))
    })
}

/// Frees an identity, wipes it, and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_identity_free(identity: *mut *mut mediveil_identity) {
    memory::free(identity);
}

/// Reads a public key file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_public_load(path: *const c_char, out: *mut *mut mediveil_public) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let public = PublicIdentity::from_key_file(&read_file(path)?)?;
        memory::make(out, mediveil_public(Arc::new(public)))
    })
}

/// Writes a public key file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_public_save(public: *const mediveil_public, path: *const c_char) -> mediveil_status {
    entry(|| write_file(path, &armor::encode(memory::get(public)?.0.as_ref()), false))
}

/// Reads the bytes that `mediveil_public_to_bytes` gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_public_from_bytes(
    data: *const u8,
    len: usize,
    out: *mut *mut mediveil_public,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let public = PublicIdentity::decode(memory::bytes(data, len)?)?;
        memory::make(out, mediveil_public(Arc::new(public)))
    })
}

/// The bytes of a public identity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_public_to_bytes(
    public: *const mediveil_public,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| memory::give(&memory::get(public)?.0.encode(), Out::of(out, len)?))
}

/// The 32 bytes that name a public identity, into `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_public_id(public: *const mediveil_public, out: *mut u8) -> mediveil_status {
    entry(|| memory::put_bytes(out, &memory::get(public)?.0.id()))
}

/// Frees a public identity and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_public_free(public: *mut *mut mediveil_public) {
    memory::free(public);
}
