//! Policies, authorities and their keys.

use crate::doors::time;
use crate::identity::{read_file, write_file};
use crate::memory::{self, Out};
use crate::status::{entry, mediveil_status};
use crate::threads;
use mediveil_abe::{AttributeKey, AttributeSet, Authority, Granularity, Policy, PublicParameters, Schema, explain};
use mediveil_codec::armor;
use std::ffi::c_char;
use std::sync::Arc;

/// An authority with its master secret. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_authority(Arc<Authority>);

/// The public half of an authority. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_parameters(pub(crate) Arc<PublicParameters>);

/// A reader's key from an authority. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_attribute_key(pub(crate) Arc<AttributeKey>);

/// Whether a key with these attributes (`count` texts such as "role:doctor" or "clearance=3") satisfies a policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_policy_satisfied(
    policy: *const c_char,
    attributes: *const *const c_char,
    count: usize,
    out: *mut bool,
) -> mediveil_status {
    entry(|| {
        let policy = Policy::parse(memory::text(policy)?)?;
        let attributes = AttributeSet::parse(memory::texts(attributes, count)?)?;
        memory::put(out, explain::satisfies(&policy, &attributes))
    })
}

/// The policy as it is understood, in its canonical form. MEDIVEIL_POLICY with the position for one that does not parse.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_policy_canonical(
    policy: *const c_char,
    out: *mut c_char,
    len: *mut usize,
) -> mediveil_status {
    entry(|| memory::give_text(&Policy::parse(memory::text(policy)?)?.to_string(), Out::of(out.cast(), len)?))
}

/// Makes an authority of plain attributes whose keys expire by the day.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_authority_create(
    name: *const c_char,
    out: *mut *mut mediveil_authority,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        let mut rng = mediveil_rng::system();
        let made = Authority::create(memory::text(name)?, Granularity::Days, Schema::new(), &mut rng)?;
        memory::make(out, mediveil_authority(Arc::new(made)))
    })
}

/// Reads an authority's file, which the command or Python can also make, with numbers, dates and emergency attributes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_authority_load(
    path: *const c_char,
    out: *mut *mut mediveil_authority,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        let authority: Authority = armor::decode(&read_file(path)?)?;
        memory::make(out, mediveil_authority(Arc::new(authority)))
    })
}

/// Writes an authority's file, which its owner alone can read. MEDIVEIL_EXISTS where a file is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_authority_save(
    authority: *const mediveil_authority,
    path: *const c_char,
) -> mediveil_status {
    entry(|| write_file(path, &armor::encode(memory::get(authority)?.0.as_ref()), true))
}

/// The public half of an authority, as a handle of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_authority_parameters(
    authority: *const mediveil_authority,
    out: *mut *mut mediveil_parameters,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        let parameters = memory::get(authority)?.0.parameters().clone();
        memory::make(out, mediveil_parameters(Arc::new(parameters)))
    })
}

/// Grants a key for `count` attributes that expires by `until`; both times are milliseconds since 1970.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_authority_grant(
    authority: *const mediveil_authority,
    attributes: *const *const c_char,
    count: usize,
    until: u64,
    now: u64,
    out: *mut *mut mediveil_attribute_key,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        let authority = memory::get(authority)?;
        let attributes = AttributeSet::parse(memory::texts(attributes, count)?)?;
        let key = authority.0.grant(&attributes, time(until)?, time(now)?, &mut mediveil_rng::system())?;
        memory::make(out, mediveil_attribute_key(Arc::new(key)))
    })
}

/// Frees an authority, wipes its secret, and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_authority_free(authority: *mut *mut mediveil_authority) {
    memory::free(authority);
}

/// Reads the file of an authority's public half.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_parameters_load(
    path: *const c_char,
    out: *mut *mut mediveil_parameters,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        let parameters: PublicParameters = armor::decode(&read_file(path)?)?;
        memory::make(out, mediveil_parameters(Arc::new(parameters)))
    })
}

/// Writes the file of an authority's public half.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_parameters_save(
    parameters: *const mediveil_parameters,
    path: *const c_char,
) -> mediveil_status {
    entry(|| write_file(path, &armor::encode(memory::get(parameters)?.0.as_ref()), false))
}

/// Frees an authority's public half and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_parameters_free(parameters: *mut *mut mediveil_parameters) {
    memory::free(parameters);
}

/// Reads the file of an attribute key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_attribute_key_load(
    path: *const c_char,
    out: *mut *mut mediveil_attribute_key,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        threads::pairings()?;
        let key: AttributeKey = armor::decode(&read_file(path)?)?;
        memory::make(out, mediveil_attribute_key(Arc::new(key)))
    })
}

/// Writes the file of an attribute key, which its owner alone can read. MEDIVEIL_EXISTS where a file is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_attribute_key_save(
    key: *const mediveil_attribute_key,
    path: *const c_char,
) -> mediveil_status {
    entry(|| write_file(path, &armor::encode(memory::get(key)?.0.as_ref()), true))
}

/// Frees an attribute key, wipes it, and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_attribute_key_free(key: *mut *mut mediveil_attribute_key) {
    memory::free(key);
}
