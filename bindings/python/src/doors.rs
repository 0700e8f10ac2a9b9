//! What a file is sealed for and opened with, from one object or several.

use crate::abe::{AttributeKey, PolicyDoor};
use crate::committee::CommitteeDoor;
use crate::identity::{Identity, Passphrase, PublicIdentity};
use crate::recovery::RecoveredKey;
use crate::ring::KeyRing;
use mediveil_bridge::{By, To};
use mediveil_codec::Timestamp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

fn recipient(object: &Bound<'_, PyAny>, now: Timestamp) -> PyResult<Option<To>> {
    Ok(Some(if let Ok(it) = object.cast::<PublicIdentity>() {
        To::Identity(it.get().0.clone())
    } else if let Ok(it) = object.cast::<Identity>() {
        To::Identity(std::sync::Arc::new(it.get().0.public().clone()))
    } else if let Ok(it) = object.cast::<Passphrase>() {
        To::Passphrase(it.get().0.clone())
    } else if let Ok(it) = object.cast::<PolicyDoor>() {
        To::Policy(it.get().0.clone())
    } else if let Ok(it) = object.cast::<CommitteeDoor>() {
        To::Committee(it.get().0.clone())
    } else if let Ok(it) = object.cast::<KeyRing>() {
        To::Identity(it.get().recipient_at(now)?)
    } else {
        return Ok(None);
    }))
}

fn key(object: &Bound<'_, PyAny>, now: Timestamp) -> PyResult<Option<By>> {
    Ok(Some(if let Ok(it) = object.cast::<Identity>() {
        By::Identity(it.get().0.clone())
    } else if let Ok(it) = object.cast::<Passphrase>() {
        By::Passphrase(it.get().0.clone())
    } else if let Ok(it) = object.cast::<AttributeKey>() {
        By::Attributes(it.get().0.clone())
    } else if let Ok(it) = object.cast::<RecoveredKey>() {
        By::Committee(it.get().0.clone())
    } else if let Ok(it) = object.cast::<KeyRing>() {
        By::Ring(it.get().shared()?, now)
    } else {
        return Ok(None);
    }))
}

fn several<T>(
    objects: &Bound<'_, PyAny>,
    one: impl Fn(&Bound<'_, PyAny>) -> PyResult<Option<T>>,
    expected: &str,
) -> PyResult<Vec<T>> {
    if let Some(it) = one(objects)? {
        return Ok(vec![it]);
    }
    let wrong = |object: &Bound<'_, PyAny>| {
        let name = object.get_type().name().map_or_else(|_| "something else".into(), |n| n.to_string());
        PyTypeError::new_err(format!("expected {expected}, or several of them, got {name}"))
    };
    if objects.is_instance_of::<PyString>() || objects.is_instance_of::<PyBytes>() {
        return Err(wrong(objects));
    }
    let items = objects.try_iter().map_err(|_| wrong(objects))?;
    items.map(|item| item.and_then(|item| one(&item)?.ok_or_else(|| wrong(&item)))).collect()
}

/// Recipients.
pub fn to(objects: &Bound<'_, PyAny>) -> PyResult<Vec<To>> {
    let now = Timestamp::now();
    several(objects, |o| recipient(o, now), "a PublicIdentity, Passphrase, PolicyDoor, CommitteeDoor or KeyRing")
}

/// Keys.
pub fn by(objects: &Bound<'_, PyAny>) -> PyResult<Vec<By>> {
    let now = Timestamp::now();
    several(objects, |o| key(o, now), "an Identity, Passphrase, AttributeKey, RecoveredKey or KeyRing")
}
