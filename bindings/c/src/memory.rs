//! What comes from C, checked as far as it can be: handles, inputs, outputs.
//!
//! A handle is no address. It is a number that is given out once and never again, and what it stands for is looked up: a handle
//! that was freed, one of another type and one that never was are refused, whatever memory holds by then, and a handle that is
//! freed while another thread uses it lives until that thread is done. The numbers have the highest bit set, where no
//! allocation is, so that whoever follows one as a pointer is stopped at once.
//!
//! What cannot be checked is that a pointer to a variable, a buffer or a text is what the header asks for.

use crate::status::{Failure, Outcome, entry, mediveil_status as Status};
use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};
use std::{process, ptr, slice};

type Shared = Arc<dyn Any + Send + Sync>;

/// The handles that live, and the number of the next.
struct Live {
    next: usize,
    handles: BTreeMap<usize, Shared>,
}

const FIRST: usize = 1 << (usize::BITS - 1);
/// So far apart that no type's alignment is violated.
const STEP: usize = 16;

static LIVE: RwLock<Live> = RwLock::new(Live { next: FIRST, handles: BTreeMap::new() });

fn null(what: &str) -> Failure {
    Failure(Status::MEDIVEIL_NULL, format!("{what} is NULL"))
}

fn invalid(why: &str) -> Failure {
    Failure(Status::MEDIVEIL_INVALID, why.into())
}

/// A variable of the caller's.
fn variable<T>(at: *mut T, what: &str) -> Result<*mut T, Failure> {
    if at.is_null() {
        return Err(null(what));
    }
    if !at.is_aligned() {
        return Err(invalid("a variable is not where one of its type can be"));
    }
    Ok(at)
}

/// Checks early that there is a variable for a handle, and sets it to NULL.
pub(crate) fn clear<T>(out: *mut *mut T) -> Outcome {
    let out = variable(out, "the variable for the handle")?;
    // SAFETY: not NULL, aligned, and the caller vouches that it is the address of a variable.
    unsafe { out.write(ptr::null_mut()) };
    Ok(())
}

/// Puts a new handle into the caller's variable.
pub(crate) fn make<T: Any + Send + Sync>(out: *mut *mut T, value: T) -> Outcome {
    let out = variable(out, "the variable for the handle")?;
    let value: Shared = Arc::new(value);
    let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
    let number = live.next;
    let next = number.checked_add(STEP);
    live.next = next.ok_or_else(|| Failure(Status::MEDIVEIL_FAILED, "there are no handles left".into()))?;
    live.handles.insert(number, value);
    drop(live);
    // SAFETY: as in `clear`.
    unsafe { out.write(ptr::without_provenance_mut(number)) };
    Ok(())
}

/// How many handles live.
pub(crate) fn living() -> usize {
    LIVE.read().unwrap_or_else(PoisonError::into_inner).handles.len()
}

/// What a handle stands for; it stays as long as the result does.
pub(crate) fn get<T: Any + Send + Sync>(handle: *const T) -> Result<Arc<T>, Failure> {
    if handle.is_null() {
        return Err(null("a handle"));
    }
    let live = LIVE.read().unwrap_or_else(PoisonError::into_inner);
    let found = live.handles.get(&handle.addr()).cloned();
    drop(live);
    let found = found.and_then(|value| value.downcast().ok());
    found.ok_or_else(|| Failure(Status::MEDIVEIL_WRONG_HANDLE, "the handle is of another type, or was freed".into()))
}

/// What a handle stands for, or nothing for NULL.
pub(crate) fn maybe<T: Any + Send + Sync>(handle: *const T) -> Result<Option<Arc<T>>, Failure> {
    if handle.is_null() { Ok(None) } else { get(handle).map(Some) }
}

/// Frees the handle in the caller's variable and sets the variable to NULL. NULL, and what is no handle of this type, are let be.
pub(crate) fn free<T: Any + Send + Sync>(handle: *mut *mut T) {
    let _: Status = entry(|| {
        if handle.is_null() {
            return Ok(());
        }
        let at = variable(handle, "the variable of the handle")?;
        // SAFETY: not NULL, aligned, and the caller vouches that it is the address of a variable.
        let handle = unsafe { at.read() };
        if handle.is_null() {
            return Ok(());
        }
        get(handle.cast_const())?;
        let freed = LIVE.write().unwrap_or_else(PoisonError::into_inner).handles.remove(&handle.addr());
        // SAFETY: as above.
        unsafe { at.write(ptr::null_mut()) };
        drop(freed);
        Ok(())
    });
}

/// What must not be used in a child after `fork()`, nor closed there: an open database.
#[derive(Debug)]
pub(crate) struct Here<T> {
    value: ManuallyDrop<T>,
    process: u32,
}

impl<T> Here<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), process: process::id() }
    }

    /// The value, in the process that made it.
    pub(crate) fn get(&self) -> Result<&T, Failure> {
        if self.process == process::id() {
            return Ok(self.value.deref());
        }
        let why = "it was opened before this process was forked: open it again here";
        Err(Failure(Status::MEDIVEIL_STATE, why.into()))
    }
}

impl<T> Drop for Here<T> {
    fn drop(&mut self) {
        if self.process == process::id() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

/// Bytes of the caller's. NULL is allowed where the length is 0.
pub(crate) fn bytes<'a>(data: *const u8, len: usize) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null("the data"));
    }
    if isize::try_from(len).is_err() {
        return Err(invalid("the length is larger than any memory"));
    }
    // SAFETY: not NULL, not longer than `isize::MAX`, and the caller vouches for the rest.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// A fixed number of the caller's bytes.
pub(crate) fn array<const N: usize>(data: *const u8) -> Result<[u8; N], Failure> {
    let bytes = bytes(data, N)?;
    bytes.try_into().map_err(|_| null("the data"))
}

/// Items of the caller's, with a bound on how many there may be.
fn items<'a, T>(list: *const T, count: usize, most: usize, what: &str) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if list.is_null() {
        return Err(null(what));
    }
    if !list.is_aligned() || count > most.min(isize::MAX.unsigned_abs() / size_of::<T>().max(1)) {
        return Err(invalid(&format!("{what} is too long, or not where it can be")));
    }
    // SAFETY: not NULL, aligned, of a possible length, and the caller vouches for the rest.
    Ok(unsafe { slice::from_raw_parts(list, count) })
}

/// Numbers of the caller's that the call changes.
pub(crate) fn numbers<'a>(data: *mut i64, len: usize) -> Result<&'a mut [i64], Failure> {
    if items(data.cast_const(), len, usize::MAX, "the list of numbers")?.is_empty() {
        return Ok(&mut []);
    }
    // SAFETY: `items` has checked it, and the caller vouches that nobody else uses the numbers during the call.
    Ok(unsafe { slice::from_raw_parts_mut(data, len) })
}

/// Text of the caller's.
pub(crate) fn text<'a>(text: *const c_char) -> Result<&'a str, Failure> {
    if text.is_null() {
        return Err(null("a text"));
    }
    // SAFETY: not NULL, and the caller vouches for the terminating zero.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Failure(Status::MEDIVEIL_NOT_UTF8, "a text is not UTF-8".into()))
}

/// Text of the caller's, or nothing for NULL.
pub(crate) fn maybe_text<'a>(given: *const c_char) -> Result<Option<&'a str>, Failure> {
    if given.is_null() { Ok(None) } else { text(given).map(Some) }
}

/// Several texts of the caller's.
pub(crate) fn texts<'a>(list: *const *const c_char, count: usize) -> Result<Vec<&'a str>, Failure> {
    items(list, count, 1 << 20, "the list of texts")?.iter().map(|t| text(*t)).collect()
}

/// Several strings of the caller's bytes, with their lengths.
pub(crate) fn byte_strings<'a>(
    list: *const *const u8,
    lens: *const usize,
    count: usize,
) -> Result<Vec<&'a [u8]>, Failure> {
    let list = items(list, count, 1 << 20, "the list of data")?;
    let lens = items(lens, count, 1 << 20, "the list of lengths")?;
    list.iter().zip(lens).map(|(data, len)| bytes(*data, *len)).collect()
}

/// Writes a result into the caller's variable.
pub(crate) fn put<T>(out: *mut T, value: T) -> Outcome {
    let out = variable(out, "the variable for the result")?;
    // SAFETY: not NULL, aligned, and the caller vouches that it is the address of a variable of this type.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes a result into the caller's variable, if there is one.
pub(crate) fn put_if<T>(out: *mut T, value: T) -> Outcome {
    if out.is_null() { Ok(()) } else { put(out, value) }
}

/// Copies 32 bytes to the caller.
pub(crate) fn put_bytes(out: *mut u8, value: &[u8; 32]) -> Outcome {
    put(out.cast::<[u8; 32]>(), *value)
}

/// Copies 32 bytes to the caller, if they are wanted.
pub(crate) fn put_bytes_if(out: *mut u8, value: &[u8; 32]) -> Outcome {
    put_if(out.cast::<[u8; 32]>(), *value)
}

/// A buffer of the caller's and the variable with its length.
#[derive(Clone, Copy)]
pub(crate) struct Out {
    data: *mut u8,
    len: *mut usize,
    room: usize,
}

impl Out {
    pub(crate) fn of(data: *mut u8, len: *mut usize) -> Result<Self, Failure> {
        let len = variable(len, "the variable for the length")?;
        // SAFETY: not NULL, aligned, and the caller vouches that it is the address of a variable.
        let room = unsafe { len.read() };
        Ok(Self { data, len, room })
    }
}

/// Copies a result into a buffer of the caller's, or says how much room it needs.
pub(crate) fn give(result: &[u8], out: Out) -> Outcome {
    let Out { data, len, room } = out;
    put(len, result.len())?;
    if data.is_null() {
        return Ok(());
    }
    if room < result.len() {
        let why = format!("{} bytes are needed, and there is room for {room}", result.len());
        return Err(Failure(Status::MEDIVEIL_TOO_SMALL, why));
    }
    // SAFETY: not NULL, and the caller vouches for as much room as it said, which is enough.
    unsafe { ptr::copy_nonoverlapping(result.as_ptr(), data, result.len()) };
    Ok(())
}

/// The same for a text, with its terminating zero.
pub(crate) fn give_text(text: &str, out: Out) -> Outcome {
    let mut bytes = Vec::with_capacity(text.len().saturating_add(1));
    bytes.extend(text.bytes().filter(|b| *b != 0));
    bytes.push(0);
    give(&bytes, out)
}
