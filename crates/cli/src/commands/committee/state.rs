//! What a member keeps for itself: one directory, apart from the board, for its owner alone.
//!
//! ```text
//! state/8d1f.../enrolled   the key of the epoch: with it and the board the share can be made again
//! state/8d1f.../said-0     what this member said in each round, so that it never says two things
//! state/8d1f.../share      the share, after the end
//! state/repair-.../share   the share, if it was repaired
//! ```
//!
//! The folder inside is named by the session. With those of repairs it holds all that an epoch leaves; destroying them ends the
//! epoch here.

use super::board::short;
use crate::failure::{Failure, Kind};
use crate::files::{read_object, refuse_existing, write_armored};
use mediveil_codec::Wire;
use mediveil_threshold::deal::{Enrolled, Message, Session};
use mediveil_threshold::{KeyShare, PublicKeySet, Signed};
use std::path::{Path, PathBuf};

/// A member's directory.
#[derive(Clone, Debug)]
pub(crate) struct State {
    path: PathBuf,
}

/// Makes a directory that nobody else can look into.
fn private_directory(path: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| Failure::from(e).at(path))
}

impl State {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn folder(&self, session: &Session) -> PathBuf {
        self.path.join(short(session.as_bytes()))
    }

    fn read<T: Wire>(path: &Path) -> Result<Option<T>, Failure> {
        if path.exists() { read_object(path).map(Some) } else { Ok(None) }
    }

    /// The state of this run, if the member enrolled from here.
    pub(super) fn enrolled(&self, session: &Session) -> Result<Option<Enrolled>, Failure> {
        let path = self.folder(session).join("enrolled");
        let state: Option<Enrolled> = Self::read(&path)?;
        match state {
            Some(state) if state.session() != *session => {
                Err(Failure::new(Kind::Damaged, "belongs to another session").at(&path))
            }
            state => Ok(state),
        }
    }

    /// Keeps the state of a run. It is replaced only where the enrolment never left this directory.
    pub(super) fn keep_enrolled(&self, state: &Enrolled, said: bool) -> Result<PathBuf, Failure> {
        let folder = self.folder(&state.session());
        private_directory(&folder)?;
        let path = folder.join("enrolled");
        if said {
            refuse_existing(&path)?;
        }
        write_armored(&path, state, true, !said)?;
        Ok(path)
    }

    /// What this member said in a round of this run.
    pub(super) fn said<T: Message>(&self, session: &Session) -> Result<Option<Signed<T>>, Failure> {
        Self::read(&self.folder(session).join(format!("said-{}", T::ROUND)))
    }

    /// Notes it, before it goes to the board.
    pub(super) fn note<T: Message>(&self, message: &Signed<T>) -> Result<(), Failure> {
        let folder = self.folder(message.content().session());
        private_directory(&folder)?;
        write_armored(&folder.join(format!("said-{}", T::ROUND)), message, true, false)
    }

    /// Keeps the share of a run. The same share again is no matter.
    pub(super) fn keep_share(
        &self,
        session: &Session,
        share: &KeyShare,
        set: &PublicKeySet,
    ) -> Result<PathBuf, Failure> {
        let folder = self.folder(session);
        private_directory(&folder)?;
        let path = folder.join("share");
        if let Some(there) = Self::read::<KeyShare>(&path)? {
            if there.member() == share.member() && there.belongs_to(set) {
                return Ok(path);
            }
            refuse_existing(&path)?;
        }
        write_armored(&path, share, true, false)?;
        Ok(path)
    }

    /// An object of this name in this folder, if it is there.
    pub(super) fn kept<T: Wire>(&self, folder: &str, name: &str) -> Result<Option<T>, Failure> {
        Self::read(&self.path.join(folder).join(name))
    }

    /// Keeps an object under a new name.
    pub(super) fn keep<T: Wire>(&self, folder: &str, name: &str, object: &T) -> Result<PathBuf, Failure> {
        let folder = self.path.join(folder);
        private_directory(&folder)?;
        let path = folder.join(name);
        refuse_existing(&path)?;
        write_armored(&path, object, true, false)?;
        Ok(path)
    }

    /// Removes an object that has served.
    pub(super) fn forget(&self, folder: &str, name: &str) -> Result<(), Failure> {
        let path = self.path.join(folder).join(name);
        std::fs::remove_file(&path).map_err(|e| Failure::from(e).at(&path))
    }

    /// This member's share of a key set, from its run or from a repair.
    fn share_of(&self, set: &PublicKeySet) -> Result<Option<KeyShare>, Failure> {
        for (_, folder) in super::board::listing(&self.path)? {
            if let Some(share) = Self::read::<KeyShare>(&folder.join("share"))?
                && share.belongs_to(set)
            {
                return Ok(Some(share));
            }
        }
        Ok(None)
    }

    /// Every folder with something of a key set's epoch: the key and the words of the run that made it, whether or not its
    /// share was taken, and each copy of the share that a repair made.
    pub(super) fn folders_of(&self, set: &PublicKeySet) -> Result<Vec<PathBuf>, Failure> {
        let run = self.folder(&set.session());
        let mut folders = Vec::new();
        for (_, folder) in super::board::listing(&self.path)? {
            let share = Self::read::<KeyShare>(&folder.join("share"))?;
            if folder == run || share.is_some_and(|share| share.belongs_to(set)) {
                folders.push(folder);
            }
        }
        Ok(folders)
    }

    /// This member's share of a key set, and a refusal if there is none.
    pub(crate) fn demand_share(&self, set: &PublicKeySet) -> Result<KeyShare, Failure> {
        self.share_of(set)?.ok_or_else(|| {
            let why = "holds no share of this key in this epoch: finish the run first, or have the share repaired";
            Failure::new(Kind::Refused, why).at(&self.path)
        })
    }
}

/// Removes what an epoch left: its share, its key and what was said.
pub(super) fn destroy(folder: &Path) -> Result<(), Failure> {
    std::fs::remove_dir_all(folder).map_err(|e| Failure::from(e).at(folder))
}
