//! Handing in to a round: the files of a contribution and its entry in the log, both or neither.

use crate::contribution::Upload;
use crate::error::FederateError;
use crate::layout::Layout;
use crate::round::Round;
use crate::terms::Federation;
use mediveil_codec::{Timestamp, Wire};
use mediveil_ledger::Log;
use mediveil_seal::AtomicFile;
use std::fs::{self, File};
use std::io;
use std::path::Path;

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Makes a round's folder if need be and holds it, until the file is dropped or the process ends: of two that hand in for one
/// contributor at once, the one that the log refuses must not take the other's files with it.
fn hold(layout: &Layout, round: u32) -> io::Result<File> {
    let folder = layout.round(round);
    fs::create_dir_all(&folder).map_err(|e| at(&folder, &e))?;
    let lock = folder.join("lock");
    let file = File::options().create(true).append(true).open(&lock).map_err(|e| at(&lock, &e))?;
    file.lock().map_err(|e| at(&lock, &e))?;
    Ok(file)
}

impl Federation {
    /// Writes a contribution and its vector into the federation's directory and commits to them in the log; the bytes that
    /// were written. The same again is served again, and its files are written anew. After a refusal there is what was there
    /// before: what the log promises exists, and nothing is left of what it does not.
    ///
    /// One at a time hands in to a round, whatever the number of processes; the file system must have advisory locks.
    ///
    /// # Errors
    /// [`FederateError::Damaged`] if the vector is not the one that was signed; those of [`commit`](Self::commit), and
    /// [`FederateError::Io`] with the path.
    pub fn hand_in(
        &self,
        layout: &Layout,
        log: &Log,
        round: &Round,
        upload: &Upload,
        now: Timestamp,
    ) -> Result<usize, FederateError> {
        let Upload { contribution, vector } = upload;
        self.check_contribution(round, contribution)?;
        let bytes = (vector.encode(), contribution.encode());
        self.read_vector(contribution, &bytes.0)?;
        let contributor = contribution.contributor();
        let paths = (layout.vector(round.number(), contributor), layout.contribution(round.number(), contributor));
        let _held = hold(layout, round.number())?;
        let again = match self.committed(log, round, contributor)? {
            Some(digest) if digest == contribution.digest() => true,
            Some(_) => return Err(FederateError::Twice { contributor }),
            None => false,
        };
        let write = |path: &Path, bytes: &[u8]| AtomicFile::options().write(path, bytes).map_err(|e| at(path, &e));
        // The files first: what the log promises must exist.
        let done = write(&paths.0, &bytes.0)
            .and_then(|()| write(&paths.1, &bytes.1))
            .map_err(FederateError::from)
            .and_then(|()| self.commit(log, round, contribution, now));
        if done.is_err() && !again {
            for path in [&paths.0, &paths.1] {
                let _ = fs::remove_file(path);
            }
        }
        done.map(|()| bytes.0.len().saturating_add(bytes.1.len()))
    }
}
