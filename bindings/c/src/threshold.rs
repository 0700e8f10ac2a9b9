//! Keys that a committee holds: encrypting to them, checking ciphertexts, and the members' shares of a decryption.

use crate::identity::{object, read_file};
use crate::memory::{self, Out};
use crate::status::{Failure, entry, mediveil_status};
use crate::threads;
use mediveil_codec::Wire;
use mediveil_threshold::tdh2::{CheckedCiphertext, Ciphertext, DecryptionShare, combine, encapsulate};
use mediveil_threshold::{KeyShare, PublicKeySet};
use std::ffi::c_char;
use std::sync::Arc;

/// Everything public about a committee's key in one epoch. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_key_set(pub(crate) Arc<PublicKeySet>);

/// One member's secret share of a committee's key in one epoch. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_key_share(KeyShare);

/// What a committee's key is like.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct mediveil_key_set_info {
    /// How many members the committee has.
    pub members: u16,
    /// How many of them are needed to use the key.
    pub needed: u16,
    /// How often the shares were renewed.
    pub epoch: u32,
}

/// Reads the file of a key set, as the command writes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_set_load(
    path: *const c_char,
    out: *mut *mut mediveil_key_set,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        memory::make(out, mediveil_key_set(Arc::new(object(&read_file(path)?)?)))
    })
}

/// Reads a key set from the bytes of its file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_set_from_bytes(
    data: *const u8,
    len: usize,
    out: *mut *mut mediveil_key_set,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        memory::make(out, mediveil_key_set(Arc::new(object(memory::bytes(data, len)?)?)))
    })
}

/// How many members there are, how many are needed, and in which epoch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_set_describe(
    set: *const mediveil_key_set,
    out: *mut mediveil_key_set_info,
) -> mediveil_status {
    entry(|| {
        let set = memory::get(set)?;
        let committee = set.0.committee();
        let (members, needed, epoch) = (committee.size(), committee.needed(), set.0.epoch());
        memory::put(out, mediveil_key_set_info { members, needed, epoch })
    })
}

/// The 32 bytes that name the committee's key, into `out`. They stay the same when shares are renewed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_set_key_id(set: *const mediveil_key_set, out: *mut u8) -> mediveil_status {
    entry(|| memory::put_bytes(out, &memory::get(set)?.0.key().id()))
}

/// Frees a key set and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_set_free(set: *mut *mut mediveil_key_set) {
    memory::free(set);
}

/// Reads the file of a member's share, as the command writes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_share_load(
    path: *const c_char,
    out: *mut *mut mediveil_key_share,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        memory::make(out, mediveil_key_share(object(&read_file(path)?)?))
    })
}

/// Reads a member's share from the bytes of its file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_share_from_bytes(
    data: *const u8,
    len: usize,
    out: *mut *mut mediveil_key_share,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        memory::make(out, mediveil_key_share(object(memory::bytes(data, len)?)?))
    })
}

/// Whose share it is: the member's number, from 1. MEDIVEIL_STATE if it is no share of this set: of another key or epoch, or wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_share_member(
    share: *const mediveil_key_share,
    set: *const mediveil_key_set,
    out: *mut u16,
) -> mediveil_status {
    entry(|| {
        let (share, set) = (memory::get(share)?, memory::get(set)?);
        threads::pairings()?;
        if !share.0.belongs_to(&set.0) {
            let why = "this share belongs to another key or epoch";
            return Err(Failure(mediveil_status::MEDIVEIL_STATE, why.into()));
        }
        memory::put(out, share.0.member().get())
    })
}

/// Frees a share, wipes it, and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_key_share_free(share: *mut *mut mediveil_key_share) {
    memory::free(share);
}

/// Encapsulates a fresh key of 32 bytes for a committee; use it as the key of one AEAD. `associated` is what the ciphertext
/// belongs to: whoever checks or opens it must give the same bytes. Writes neither the key nor the ciphertext unless there is
/// room for both; the ciphertext's length is always the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_threshold_encapsulate(
    set: *const mediveil_key_set,
    associated: *const u8,
    associated_len: usize,
    key: *mut u8,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| {
        let (set, buffer) = (memory::get(set)?, Out::of(out, len)?);
        let associated = memory::bytes(associated, associated_len)?;
        threads::pairings()?;
        let (ciphertext, shared) = encapsulate(set.0.key(), associated, &mut mediveil_rng::system());
        if out.is_null() {
            return memory::give(&ciphertext.encode(), buffer);
        }
        if key.is_null() {
            return Err(Failure(mediveil_status::MEDIVEIL_NULL, "the variable for the key is NULL".into()));
        }
        memory::give(&ciphertext.encode(), buffer)?;
        memory::put_bytes(key, &shared)
    })
}

/// A ciphertext of the caller's, checked.
fn checked(
    set: &mediveil_key_set,
    associated: (*const u8, usize),
    ciphertext: (*const u8, usize),
) -> Result<CheckedCiphertext, Failure> {
    let associated = memory::bytes(associated.0, associated.1)?;
    let ciphertext = memory::bytes(ciphertext.0, ciphertext.1)?;
    threads::pairings()?;
    Ok(Ciphertext::decode(ciphertext)?.check(set.0.key(), associated)?)
}

/// Checks that a ciphertext was made for this committee's key and these associated data, by someone who knew what is in it.
/// MEDIVEIL_DAMAGED otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_threshold_check(
    set: *const mediveil_key_set,
    associated: *const u8,
    associated_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
) -> mediveil_status {
    entry(|| {
        checked(&*memory::get(set)?, (associated, associated_len), (ciphertext, ciphertext_len))?;
        Ok(())
    })
}

/// A member's share of the decryption of a ciphertext, which is checked first. As many of them as are needed open the
/// ciphertext, so send it to nobody but the one who may read. MEDIVEIL_STATE if the share is no share of this set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_threshold_decrypt(
    share: *const mediveil_key_share,
    set: *const mediveil_key_set,
    associated: *const u8,
    associated_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| {
        let (share, set, buffer) = (memory::get(share)?, memory::get(set)?, Out::of(out, len)?);
        let ciphertext = checked(&set, (associated, associated_len), (ciphertext, ciphertext_len))?;
        let made = share.0.decrypt(&set.0, &ciphertext, &mut mediveil_rng::system())?;
        memory::give(&made.encode(), buffer)
    })
}

/// Verifies a member's share of a decryption. `member`, whose it says it is, may be NULL; it is set for a wrong share as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_threshold_verify(
    set: *const mediveil_key_set,
    associated: *const u8,
    associated_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    share: *const u8,
    share_len: usize,
    member: *mut u16,
) -> mediveil_status {
    entry(|| {
        let set = memory::get(set)?;
        let share = memory::bytes(share, share_len)?;
        let ciphertext = checked(&set, (associated, associated_len), (ciphertext, ciphertext_len))?;
        let share = DecryptionShare::decode(share)?;
        memory::put_if(member, share.member().get())?;
        if share.verify(&set.0, &ciphertext) {
            return Ok(());
        }
        let why = format!("the share of member {} is wrong: ask other members", share.member());
        Err(Failure(mediveil_status::MEDIVEIL_UNVERIFIED, why))
    })
}

/// The key of 32 bytes in a ciphertext, from exactly as many members' shares as are needed: `count` of them, with their
/// lengths. The result is checked, so the shares need not be. MEDIVEIL_UNVERIFIED tells in its text whose shares are wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_threshold_combine(
    set: *const mediveil_key_set,
    associated: *const u8,
    associated_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    shares: *const *const u8,
    share_lens: *const usize,
    count: usize,
    key: *mut u8,
) -> mediveil_status {
    entry(|| {
        let set = memory::get(set)?;
        let ciphertext = checked(&set, (associated, associated_len), (ciphertext, ciphertext_len))?;
        let shares = memory::byte_strings(shares, share_lens, count)?;
        let shares = shares.into_iter().map(DecryptionShare::decode).collect::<Result<Vec<_>, _>>()?;
        memory::put_bytes(key, &*combine(&set.0, &ciphertext, &shares)?)
    })
}
