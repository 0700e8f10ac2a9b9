//! Sealing and opening, in memory and by callbacks.

use crate::doors::{mediveil_keys, mediveil_recipients};
use crate::identity::{mediveil_identity, mediveil_public};
use crate::memory::{self, Out};
use crate::status::{Failure, Outcome, entry, mediveil_status};
use mediveil_bridge::{By, To};
use mediveil_seal::identity::VerifyingKey;
use mediveil_seal::{OpenError, OpenReader, Opener, Sealer};
use std::ffi::c_void;
use std::io::{self, Read, Write};

/// Reads up to `len` bytes into `data` and returns how many, 0 at the end, and less than 0 for a failure.
pub type mediveil_read = Option<unsafe extern "C-unwind" fn(user: *mut c_void, data: *mut u8, len: usize) -> isize>;

/// Writes all `len` bytes of `data` and returns 0, or anything else for a failure.
pub type mediveil_write = Option<unsafe extern "C-unwind" fn(user: *mut c_void, data: *const u8, len: usize) -> i32>;

struct Source {
    call: unsafe extern "C-unwind" fn(*mut c_void, *mut u8, usize) -> isize,
    user: *mut c_void,
}

struct Sink {
    call: unsafe extern "C-unwind" fn(*mut c_void, *const u8, usize) -> i32,
    user: *mut c_void,
}

/// The mark of an `io::Error` that a callback caused.
#[derive(Debug)]
struct Reported;

impl std::fmt::Display for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a callback reported a failure")
    }
}

impl std::error::Error for Reported {}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the caller's function, as the header describes it; the buffer is ours and as long as we say.
        let read = unsafe { (self.call)(self.user, out.as_mut_ptr(), out.len()) };
        match usize::try_from(read) {
            Ok(read) if read <= out.len() => Ok(read),
            _ => Err(io::Error::other(Reported)),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // SAFETY: as in `read`.
        let status = unsafe { (self.call)(self.user, data.as_ptr(), data.len()) };
        if status == 0 { Ok(data.len()) } else { Err(io::Error::other(Reported)) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What becomes of an error during a copy: the callbacks' own are told apart from the disk's.
fn of_copy(error: &io::Error, failure: Failure) -> Failure {
    if error.get_ref().is_some_and(|e| e.is::<Reported>()) {
        return Failure(mediveil_status::MEDIVEIL_CALLBACK, Reported.to_string());
    }
    failure
}

fn callback<T>(function: Option<T>) -> Result<T, Failure> {
    function.ok_or_else(|| Failure(mediveil_status::MEDIVEIL_NULL, "a callback is NULL".into()))
}

/// Counts what is written.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(data.len());
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sealer<'a>(to: &'a [To], author: Option<&'a mediveil_identity>, context: &[u8]) -> Result<Sealer<'a>, Failure> {
    let sealer = to.iter().fold(Sealer::new(), |sealer, to| sealer.to(to)).context(context)?;
    Ok(match author {
        Some(author) => sealer.author(author.0.signing_key()),
        None => sealer,
    })
}

fn openers(keys: &[By]) -> Vec<&dyn Opener> {
    keys.iter().map(|k| k as &dyn Opener).collect()
}

fn check_author(found: Option<&VerifyingKey>, wanted: Option<&mediveil_public>) -> Outcome {
    match (found, wanted) {
        (_, None) => Ok(()),
        (None, Some(_)) => Err(OpenError::Unsigned.into()),
        (Some(found), Some(wanted)) if found.to_sec1() == wanted.0.verifying_key().to_sec1() => Ok(()),
        (Some(_), Some(_)) => Err(OpenError::OtherAuthor.into()),
    }
}

/// Seals `data` for the recipients. `author`, who signs, may be NULL; `context` is readable by everyone, at most 4,096 bytes, and
/// may be NULL where its length is 0. Asking for the length (`out` NULL) costs as much as sealing; it depends on the length of
/// the data, the recipients, the author and the context's length alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_seal(
    recipients: *const mediveil_recipients,
    author: *const mediveil_identity,
    context: *const u8,
    context_len: usize,
    data: *const u8,
    data_len: usize,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| {
        let (to, author) = (memory::get(recipients)?.now()?, memory::maybe(author)?);
        let sealer = sealer(&to, author.as_deref(), memory::bytes(context, context_len)?)?;
        let (mut data, asked) = (memory::bytes(data, data_len)?, Out::of(out, len)?);
        let mut rng = mediveil_rng::system();
        if out.is_null() {
            let mut count = Count(0);
            sealer.copy(&mut data, &mut count, &mut rng)?;
            return memory::put(len, count.0);
        }
        memory::give(&sealer.seal(data, &mut rng)?, asked)
    })
}

/// Opens a sealed file with whichever of the keys fits. If `author` is not NULL, it must be signed by them. Nothing is written
/// unless everything is in order. The plaintext is never longer than the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_open(
    keys: *const mediveil_keys,
    author: *const mediveil_public,
    sealed: *const u8,
    sealed_len: usize,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| {
        let (keys, author) = (memory::get(keys)?.now()?, memory::maybe(author)?);
        let (sealed, out) = (memory::bytes(sealed, sealed_len)?, Out::of(out, len)?);
        let opened = mediveil_seal::open(sealed, &openers(&keys))?;
        check_author(opened.author.as_ref(), author.as_deref())?;
        memory::give(&opened.plaintext, out)
    })
}

/// Seals what `read` gives into what `write` takes, in 64 KiB of memory. `user` is handed to both. `total`, the number of bytes
/// read, may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_seal_stream(
    recipients: *const mediveil_recipients,
    author: *const mediveil_identity,
    context: *const u8,
    context_len: usize,
    read: mediveil_read,
    write: mediveil_write,
    user: *mut c_void,
    total: *mut u64,
) -> mediveil_status {
    entry(|| {
        let (to, author) = (memory::get(recipients)?.now()?, memory::maybe(author)?);
        let sealer = sealer(&to, author.as_deref(), memory::bytes(context, context_len)?)?;
        let (mut source, mut sink) = (Source { call: callback(read)?, user }, Sink { call: callback(write)?, user });
        let copied = sealer.copy(&mut source, &mut sink, &mut mediveil_rng::system());
        let copied = copied.map_err(|error| match error {
            mediveil_seal::SealError::Io(e) => {
                let failure = Failure(mediveil_status::MEDIVEIL_STORAGE, e.to_string());
                of_copy(&e, failure)
            }
            other => other.into(),
        })?;
        memory::put_if(total, copied)
    })
}

/// Opens what `read` gives into what `write` takes, in 64 KiB of memory. `write` gets each segment as soon as it has been checked:
/// after a failure what it got is genuine but not complete, and its author is not known. `total` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_open_stream(
    keys: *const mediveil_keys,
    author: *const mediveil_public,
    read: mediveil_read,
    write: mediveil_write,
    user: *mut c_void,
    total: *mut u64,
) -> mediveil_status {
    entry(|| {
        let (keys, author) = (memory::get(keys)?.now()?, memory::maybe(author)?);
        let (source, mut sink) = (Source { call: callback(read)?, user }, Sink { call: callback(write)?, user });
        let told = |error: OpenError| match error {
            OpenError::Io(e) => {
                let failure = Failure(mediveil_status::MEDIVEIL_STORAGE, e.to_string());
                of_copy(&e, failure)
            }
            other => other.into(),
        };
        let reader = OpenReader::new(source, &openers(&keys)).map_err(told)?;
        if author.is_some() && !reader.is_signed() {
            return Err(OpenError::Unsigned.into());
        }
        let (written, found) = reader.copy_to(&mut sink).map_err(told)?;
        check_author(found.as_ref(), author.as_deref())?;
        memory::put_if(total, written)
    })
}
