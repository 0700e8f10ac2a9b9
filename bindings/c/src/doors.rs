//! Lists of recipients and of keys.

use crate::abe::{mediveil_attribute_key, mediveil_parameters};
use crate::identity::{mediveil_identity, mediveil_public};
use crate::memory;
use crate::status::{Failure, Outcome, entry, mediveil_status};
use crate::threads;
use crate::threshold::mediveil_key_set;
use mediveil_abe::{Policy, PolicyRecipient};
use mediveil_bridge::{By, CommitteeDoor, To};
use mediveil_codec::Timestamp;
use mediveil_seal::Passphrase;
use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Whom a file is sealed for. May be used and changed by several threads at once: a call takes those that are there when it
/// begins.
#[derive(Debug)]
pub struct mediveil_recipients(Mutex<Vec<To>>);

/// What a file is opened with. May be used and changed by several threads at once: a call takes those that are there when it
/// begins.
#[derive(Debug)]
pub struct mediveil_keys(Mutex<Vec<By>>);

/// A list that only grows.
fn push<T>(list: &Mutex<Vec<T>>, item: T) -> Outcome {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(item);
    Ok(())
}

impl mediveil_recipients {
    fn push(&self, to: To) -> Outcome {
        push(&self.0, to)
    }

    /// Those on the list now, if this process can seal for them.
    pub(crate) fn now(&self) -> Result<Vec<To>, Failure> {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if list.iter().any(|to| !matches!(to, To::Identity(_) | To::Passphrase(_))) {
            threads::pairings()?;
        }
        Ok(list)
    }
}

impl mediveil_keys {
    fn push(&self, key: By) -> Outcome {
        push(&self.0, key)
    }

    /// Those on the list now, if this process can open with them.
    pub(crate) fn now(&self) -> Result<Vec<By>, Failure> {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if list.iter().any(|key| !matches!(key, By::Identity(_) | By::Passphrase(_))) {
            threads::pairings()?;
        }
        Ok(list)
    }
}

/// A time in milliseconds since 1970 in UTC.
pub(crate) fn time(millis: u64) -> Result<Timestamp, Failure> {
    Timestamp::from_millis(millis)
        .ok_or_else(|| Failure(mediveil_status::MEDIVEIL_INVALID, "a time after the year 9999".into()))
}

/// Makes an empty list of recipients.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_recipients_new(out: *mut *mut mediveil_recipients) -> mediveil_status {
    entry(|| memory::make(out, mediveil_recipients(Mutex::default())))
}

/// Adds the holder of an identity. The list keeps what it needs: `to` may be freed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_recipients_add_public(
    list: *mut mediveil_recipients,
    to: *const mediveil_public,
) -> mediveil_status {
    entry(|| {
        let to = To::Identity(memory::get(to)?.0.clone());
        memory::get(list)?.push(to)
    })
}

/// Adds whoever knows a passphrase.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_recipients_add_passphrase(
    list: *mut mediveil_recipients,
    passphrase: *const c_char,
) -> mediveil_status {
    entry(|| {
        let to = To::Passphrase(Arc::new(Passphrase::new(memory::text(passphrase)?)));
        memory::get(list)?.push(to)
    })
}

/// Adds whoever has a key of this authority that satisfies a policy and is unexpired at `now` (milliseconds since 1970).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_recipients_add_policy(
    list: *mut mediveil_recipients,
    policy: *const c_char,
    parameters: *const mediveil_parameters,
    now: u64,
) -> mediveil_status {
    entry(|| {
        threads::pairings()?;
        let policy = Policy::parse(memory::text(policy)?)?;
        let door = PolicyRecipient::new(policy, &memory::get(parameters)?.0, time(now)?)?;
        memory::get(list)?.push(To::Policy(Arc::new(door)))
    })
}

/// Adds a committee, as many of whose members as are needed open the file together. `owner`, who can veto that, and how long
/// the members wait for a veto, in seconds, go together: NULL and 0 for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_recipients_add_committee(
    list: *mut mediveil_recipients,
    set: *const mediveil_key_set,
    owner: *const mediveil_public,
    delay: u32,
) -> mediveil_status {
    entry(|| {
        let (set, owner) = (memory::get(set)?, memory::maybe(owner)?);
        if owner.is_none() && delay != 0 {
            let why = "a delay is for an owner to veto in: give the owner as well";
            return Err(Failure(mediveil_status::MEDIVEIL_INVALID, why.into()));
        }
        let key = Arc::new(set.0.key().clone());
        let (owner, delay) = (owner.map(|owner| owner.0.clone()), Duration::from_secs(delay.into()));
        memory::get(list)?.push(To::Committee(Arc::new(CommitteeDoor { key, owner, delay })))
    })
}

/// Frees a list and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_recipients_free(list: *mut *mut mediveil_recipients) {
    memory::free(list);
}

/// Makes an empty list of keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_keys_new(out: *mut *mut mediveil_keys) -> mediveil_status {
    entry(|| memory::make(out, mediveil_keys(Mutex::default())))
}

/// Adds an identity. The list keeps what it needs: `key` may be freed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_keys_add_identity(
    list: *mut mediveil_keys,
    key: *const mediveil_identity,
) -> mediveil_status {
    entry(|| {
        let key = By::Identity(memory::get(key)?.0.clone());
        memory::get(list)?.push(key)
    })
}

/// Adds a passphrase.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_keys_add_passphrase(
    list: *mut mediveil_keys,
    passphrase: *const c_char,
) -> mediveil_status {
    entry(|| {
        let key = By::Passphrase(Arc::new(Passphrase::new(memory::text(passphrase)?)));
        memory::get(list)?.push(key)
    })
}

/// Adds an authority's key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_keys_add_attribute_key(
    list: *mut mediveil_keys,
    key: *const mediveil_attribute_key,
) -> mediveil_status {
    entry(|| {
        let key = By::Attributes(memory::get(key)?.0.clone());
        memory::get(list)?.push(key)
    })
}

/// Frees a list and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_keys_free(list: *mut *mut mediveil_keys) {
    memory::free(list);
}
