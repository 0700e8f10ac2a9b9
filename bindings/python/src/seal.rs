//! Sealing and opening.

use crate::buffer::Buffer;
use crate::data::Data;
use crate::doors;
use crate::fail::{fail, raise};
use crate::files::{Raised, Sink, Source};
use crate::identity::{Identity, PublicIdentity};
use crate::threads::on_all_cores;
use mediveil_bridge::{By, Kind, To};
use mediveil_seal::identity::{SigningKey, VerifyingKey};
use mediveil_seal::{DoorKind, OpenError, OpenReader, Opener, Rewrap, SealError, Sealer, Suite};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::io::Cursor;

fn suite(name: &str) -> PyResult<Suite> {
    [Suite::ChaCha20Poly1305, Suite::Aes256Gcm].into_iter().find(|s| s.name() == name).ok_or_else(|| {
        let names = [Suite::ChaCha20Poly1305.name(), Suite::Aes256Gcm.name()].join(" or ");
        raise(Kind::Invalid, format!("there is no suite {name}: use {names}"))
    })
}

/// What a `Sealer` is made of. It is made detached: it is not to be shared among threads.
struct Parts<'a> {
    to: &'a [To],
    author: Option<&'a SigningKey>,
    context: &'a [u8],
    suite: Option<Suite>,
}

impl<'a> Parts<'a> {
    fn sealer(&self) -> Result<Sealer<'a>, SealError> {
        let mut sealer = self.to.iter().fold(Sealer::new(), |sealer, to| sealer.to(to)).context(self.context)?;
        if let Some(suite) = self.suite {
            sealer = sealer.suite(suite);
        }
        Ok(match self.author {
            Some(author) => sealer.author(author),
            None => sealer,
        })
    }
}

fn context_of<'py>(context: Option<&Bound<'py, PyAny>>) -> PyResult<Option<Data<'py>>> {
    context.map(Data::of).transpose()
}

fn check_author(found: Option<&VerifyingKey>, wanted: Option<&PublicIdentity>) -> PyResult<()> {
    match (found, wanted) {
        (_, None) => Ok(()),
        (None, Some(_)) => Err(fail(OpenError::Unsigned)),
        (Some(found), Some(wanted)) if found.to_sec1() == wanted.0.verifying_key().to_sec1() => Ok(()),
        (Some(_), Some(_)) => Err(fail(OpenError::OtherAuthor)),
    }
}

/// Seals bytes for one or several recipients and returns the sealed file.
///
/// data: bytes-like, up to what fits in memory (`bytes` are used in place, other buffers copied once).
/// to: a PublicIdentity, Passphrase, PolicyDoor or KeyRing, or an iterable of them; any one of them opens the file.
/// author: an Identity that signs the content. context: up to 4,096 bytes that are readable by everyone and cannot be
/// changed. suite: "ChaCha20Poly1305" (default) or "AES-256-GCM" as `inspect` names them.
///
/// Overhead: 16 bytes for each 64 KiB, and a door for each recipient.
///
/// >>> import mediveil
/// >>> patient = mediveil.Identity.generate()
/// >>> sealed = mediveil.seal(b"HbA1c 6.4 %", to=[patient.public])
/// >>> mediveil.open(sealed, keys=patient)
/// b'HbA1c 6.4 %'
///
/// Raises InvalidError for no recipient, too many, or two passphrases; TypeError for what is no bytes or recipient.
#[pyfunction]
#[pyo3(signature = (data, /, *, to, author = None, context = None, suite = None))]
pub fn seal<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    to: &Bound<'py, PyAny>,
    author: Option<&Identity>,
    context: Option<&Bound<'py, PyAny>>,
    suite: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (to, data, context) = (doors::to(to)?, Data::of(data)?, context_of(context)?);
    let author = author.map(|a| a.0.signing_key());
    let context = context.as_ref().map_or(&[][..], Data::as_slice);
    let parts = Parts { to: &to, author, context, suite: suite.map(self::suite).transpose()? };
    let plaintext = data.as_slice();
    let sealed =
        py.detach(|| on_all_cores(|| parts.sealer()?.seal(plaintext, &mut mediveil_rng::system())))?.map_err(fail)?;
    Ok(PyBytes::new(py, &sealed))
}

/// Seals bytes as `seal` does, into a `Buffer` that is used again, and returns the length of the sealed file.
///
/// For many files of many megabytes: neither is memory found anew nor is anything copied, if data is `bytes`.
///
/// >>> import mediveil
/// >>> patient, buffer = mediveil.Identity.generate(), mediveil.Buffer()
/// >>> length = mediveil.seal_into(buffer, b"HbA1c 6.4 %", to=patient.public)
/// >>> mediveil.open(buffer, keys=patient)
/// b'HbA1c 6.4 %'
///
/// Raises what `seal` raises, and BusyError while a view of the buffer is alive; the buffer is empty after a failure.
#[pyfunction]
#[pyo3(signature = (buffer, data, /, *, to, author = None, context = None, suite = None))]
pub fn seal_into(
    py: Python<'_>,
    buffer: &Buffer,
    data: &Bound<'_, PyAny>,
    to: &Bound<'_, PyAny>,
    author: Option<&Identity>,
    context: Option<&Bound<'_, PyAny>>,
    suite: Option<&str>,
) -> PyResult<usize> {
    let (to, data, context) = (doors::to(to)?, Data::of(data)?, context_of(context)?);
    let author = author.map(|a| a.0.signing_key());
    let context = context.as_ref().map_or(&[][..], Data::as_slice);
    let parts = Parts { to: &to, author, context, suite: suite.map(self::suite).transpose()? };
    let plaintext = data.as_slice();
    let seal = |out: &mut Vec<u8>| parts.sealer()?.seal_into(plaintext, out, &mut mediveil_rng::system());
    py.detach(|| on_all_cores(|| buffer.fill(seal)))??.map_err(fail)
}

/// Opens sealed bytes with whichever of the keys fits and returns the plaintext.
///
/// keys: an Identity, Passphrase, AttributeKey or KeyRing, or an iterable of them. author: if given, the file must be signed
/// by this PublicIdentity.
///
/// >>> import mediveil
/// >>> doctor, stranger = mediveil.Identity.generate(), mediveil.Identity.generate()
/// >>> sealed = mediveil.seal(b"record", to=doctor, author=doctor)
/// >>> mediveil.open(sealed, keys=doctor, author=doctor.public)
/// b'record'
/// >>> mediveil.open(sealed, keys=stranger)
/// Traceback (most recent call last):
///     ...
/// mediveil.NoKeyError: none of the keys given opens this file
///
/// Raises NoKeyError if no key fits, DamagedError for any change anywhere, UnverifiedError for an author that is missing or
/// another. Nothing of the plaintext is returned then.
#[pyfunction]
#[pyo3(signature = (sealed, /, *, keys, author = None))]
pub fn open<'py>(
    py: Python<'py>,
    sealed: &Bound<'py, PyAny>,
    keys: &Bound<'py, PyAny>,
    author: Option<&PublicIdentity>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (keys, data) = (doors::by(keys)?, Data::of(sealed)?);
    let sealed = data.as_slice();
    let opened = py.detach(|| on_all_cores(|| mediveil_seal::open(sealed, &refs(&keys))))?.map_err(fail)?;
    check_author(opened.author.as_ref(), author)?;
    Ok(PyBytes::new(py, &opened.plaintext))
}

fn refs(keys: &[By]) -> Vec<&dyn Opener> {
    keys.iter().map(|k| k as &dyn Opener).collect()
}

/// Seals a file of any size in 64 KiB of memory and returns the number of bytes read.
///
/// source, target: paths, or binary file objects with `read` and `write`. A target path appears whole or not at all.
/// progress: called with the number of bytes since the last call, about every MiB; a tqdm bar will do. An exception in it, or
/// Ctrl-C, stops the work. The rest is as in `seal`.
///
/// >>> import io, mediveil
/// >>> patient, sealed = mediveil.Identity.generate(), io.BytesIO()
/// >>> mediveil.seal_file(io.BytesIO(b"x" * 100_000), sealed, to=patient.public)
/// 100000
/// >>> sealed.seek(0)
/// 0
/// >>> mediveil.open_file(sealed, io.BytesIO(), keys=patient)
/// 100000
#[pyfunction]
#[pyo3(signature = (source, target, *, to, author = None, context = None, suite = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub fn seal_file(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
    to: &Bound<'_, PyAny>,
    author: Option<&Identity>,
    context: Option<&Bound<'_, PyAny>>,
    suite: Option<&str>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<u64> {
    let (to, context, raised) = (doors::to(to)?, context_of(context)?, Raised::default());
    let author = author.map(|a| a.0.signing_key());
    let context = context.as_ref().map_or(&[][..], Data::as_slice);
    let parts = Parts { to: &to, author, context, suite: suite.map(self::suite).transpose()? };
    let mut source = Source::of(source, progress, &raised)?;
    let mut sink = Sink::of(target, &raised)?;
    let copied =
        py.detach(|| on_all_cores(|| parts.sealer()?.copy(&mut source, &mut sink, &mut mediveil_rng::system())))?;
    let read = copied.map_err(|e| raised.or(|| fail(e)))?;
    sink.commit()?;
    Ok(read)
}

/// Opens a sealed file of any size in 64 KiB of memory and returns the number of bytes written.
///
/// Arguments are as in `seal_file` and `open`. A target path appears only once everything has been checked, the author
/// included. A target file object receives each 64 KiB as soon as they have been checked: if an exception follows, what was
/// written is genuine but not complete, and its author is not known.
///
/// >>> import mediveil, pathlib, tempfile
/// >>> home, key = pathlib.Path(tempfile.mkdtemp()), mediveil.Identity.generate()
/// >>> _ = (home / "a.txt").write_bytes(b"record")
/// >>> mediveil.seal_file(home / "a.txt", home / "a.sealed", to=key)
/// 6
/// >>> mediveil.open_file(home / "a.sealed", home / "b.txt", keys=key)
/// 6
/// >>> (home / "b.txt").read_bytes()
/// b'record'
#[pyfunction]
#[pyo3(signature = (source, target, *, keys, author = None, progress = None))]
pub fn open_file(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
    keys: &Bound<'_, PyAny>,
    author: Option<&PublicIdentity>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<u64> {
    let (keys, raised) = (doors::by(keys)?, Raised::default());
    let source = Source::of(source, progress, &raised)?;
    // The keys are tried before a target is begun.
    let reader =
        py.detach(|| on_all_cores(|| OpenReader::new(source, &refs(&keys))))?.map_err(|e| raised.or(|| fail(e)))?;
    if author.is_some() && !reader.is_signed() {
        return Err(fail(OpenError::Unsigned));
    }
    let mut sink = Sink::of(target, &raised)?;
    let (written, found) = py.detach(|| reader.copy_to(&mut sink)).map_err(|e| raised.or(|| fail(e)))?;
    check_author(found.as_ref(), author)?;
    sink.commit()?;
    Ok(written)
}

/// Gives a sealed file other doors, without touching its segments, and returns how many doors it has then.
///
/// keys: open the file now. to: recipients that are added. drop: kinds of doors, such as "passphrase", or positions as
/// `inspect` lists them, that are removed. Whoever opened the file before may have kept its content key: dropping a door
/// hides nothing from them.
///
/// >>> import io, mediveil
/// >>> a, b = mediveil.Identity.generate(hybrid=False), mediveil.Identity.generate(hybrid=False)
/// >>> shared = io.BytesIO()
/// >>> mediveil.rewrap_file(io.BytesIO(mediveil.seal(b"record", to=a)), shared, keys=a, to=b)
/// 2
/// >>> mediveil.open(shared.getvalue(), keys=b)
/// b'record'
#[pyfunction]
#[pyo3(signature = (source, target, *, keys, to = None, drop = None))]
pub fn rewrap_file(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
    keys: &Bound<'_, PyAny>,
    to: Option<&Bound<'_, PyAny>>,
    drop: Option<&Bound<'_, PyAny>>,
) -> PyResult<usize> {
    let (keys, raised) = (doors::by(keys)?, Raised::default());
    let to = to.map(doors::to).transpose()?.unwrap_or_default();
    let (mut kinds, mut places) = (Vec::new(), Vec::new());
    for which in drop.map(|d| d.try_iter()).transpose()?.into_iter().flatten() {
        let which = which?;
        if which.is_instance_of::<PyString>() {
            kinds.push(which.extract::<String>()?);
        } else {
            places.push(which.extract::<usize>()?);
        }
    }
    let mut source = Source::of(source, None, &raised)?;
    let mut sink = Sink::of(target, &raised)?;
    let done = py.detach(|| {
        on_all_cores(|| {
            let rewrap = to.iter().fold(Rewrap::new(), |rewrap, to| rewrap.to(to));
            let rewrap = places.into_iter().fold(rewrap, Rewrap::drop_index);
            let rewrap =
                kinds.iter().fold(rewrap, |rewrap, kind| rewrap.drop_where(move |_, s| s.kind.as_str() == kind));
            rewrap.run(&mut source, &mut sink, &refs(&keys), &mut mediveil_rng::system())
        })
    })?;
    let doors = done.map_err(|e| raised.or(|| fail(e)))?;
    sink.commit()?;
    Ok(doors)
}

/// What a sealed file shows to everyone, as a dict: `suite`, `signed`, `context` (bytes), `doors` (kinds in their order),
/// `plaintext_len` (bytes, None where the length fits no plaintext) and `segments` (of 64 KiB). Nothing is checked or opened.
///
/// source: bytes-like or a path.
///
/// >>> import mediveil
/// >>> sealed = mediveil.seal(b"record", to=mediveil.Identity.generate(hybrid=False), context=b"ward 7")
/// >>> shown = mediveil.inspect(sealed)
/// >>> shown["doors"], shown["context"], shown["plaintext_len"]
/// (['hpke-p256'], b'ward 7', 6)
///
/// Raises DamagedError for what is no sealed file.
#[pyfunction]
#[pyo3(signature = (source, /))]
pub fn inspect<'py>(py: Python<'py>, source: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let found = if source.is_instance_of::<PyString>() || source.hasattr("__fspath__")? {
        let file = Source::of(source, None, &Raised::default())?.into_file();
        let mut file = file.ok_or_else(|| raise(Kind::Invalid, "a path is needed"))?;
        mediveil_seal::inspect(&mut file)
    } else {
        mediveil_seal::inspect(&mut Cursor::new(Data::of(source)?.as_slice()))
    };
    let found = found.map_err(fail)?;
    let dict = PyDict::new(py);
    dict.set_item("suite", found.suite.name())?;
    dict.set_item("signed", found.signed)?;
    dict.set_item("context", PyBytes::new(py, &found.context))?;
    let doors: Vec<&DoorKind> = found.doors.iter().map(|d| &d.kind).collect();
    dict.set_item("doors", doors.iter().map(|k| k.as_str()).collect::<Vec<_>>())?;
    dict.set_item("plaintext_len", found.plaintext_len)?;
    dict.set_item("segments", found.segments)?;
    Ok(dict)
}
