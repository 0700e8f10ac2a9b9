//! The board of one run: a directory that members on different machines copy to each other.
//!
//! ```text
//! board/plan                    what is to be done, and by whom
//! board/round0/3-59c1...        the message of member 3, named by its digest
//! board/round0/cut-off-a07e...  the convenor's end of the round
//! board/round1/...  board/round2/...
//! board/committee.pub           after the end: the key, the key set of the epoch, and all of it as evidence
//! board/key-set
//! board/transcript
//! ```
//!
//! Names carry digests, so that copying never puts one message in the place of another: whoever signs two leaves both there.
//! Nothing on the board is trusted. A file that is damaged, of another session or not signed by whom it names is passed over
//! and named; what counts is what the cut-off lists.

use crate::failure::{Failure, Kind};
use crate::files::{read_object, refuse_existing, write_armored};
use mediveil_codec::Wire;
use mediveil_seal::AtomicFile;
use mediveil_threshold::deal::{
    Board, CutOff, Dealings, Enrolments, Entry, Message, Outcome, Plan, Session, Transcript, round0, round1, round2,
};
use mediveil_threshold::{Content, MemberId, ProtocolError, Signed};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// The first bytes of a digest, for names.
pub(crate) fn short(digest: &[u8; 32]) -> String {
    digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// A file on the board that does not count, and why.
#[derive(Clone, Debug)]
pub(crate) struct PassedOver {
    pub(crate) file: String,
    pub(crate) why: String,
}

impl PassedOver {
    pub(crate) fn json(&self) -> Value {
        json!({ "file": self.file, "why": self.why })
    }
}

/// The files of a folder by name; none if there is no folder. Names that begin with a dot are another program's.
pub(crate) fn listing(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let at = |e: io::Error| Failure::from(e).at(folder);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at(e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            files.push((name, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The messages of one round as they lie there, and its end.
#[derive(Clone, Debug)]
pub(super) struct Round<T> {
    pub(super) messages: Vec<Signed<T>>,
    pub(super) cut_off: Option<Signed<CutOff>>,
    pub(super) passed_over: Vec<PassedOver>,
}

impl<T: Message> Round<T> {
    fn read(path: &Path, plan: &Plan) -> Result<Self, Failure> {
        let folder = path.join(format!("round{}", T::ROUND));
        let mut round = Self { messages: Vec::new(), cut_off: None, passed_over: Vec::new() };
        for (name, path) in listing(&folder)? {
            let refused = if name.starts_with("cut-off-") {
                round.take_cut_off(&path, plan)?
            } else {
                round.take_message(&path, plan)
            };
            if let Some(why) = refused {
                round.passed_over.push(PassedOver { file: format!("round{}/{name}", T::ROUND), why });
            }
        }
        round.look_for_late_ones();
        Ok(round)
    }

    /// Takes in a message, or says why not.
    fn take_message(&mut self, path: &Path, plan: &Plan) -> Option<String> {
        let message: Signed<T> = match read_object(path) {
            Ok(message) => message,
            Err(failure) => return Some(failure.message().to_owned()),
        };
        if *message.content().session() != plan.session() {
            return Some("belongs to another session".into());
        }
        let author = MemberId::new(message.content().author()).and_then(|id| T::authors(plan).member(id));
        let Some(author) = author else { return Some("is of nobody in the committee".into()) };
        if !message.verify(author.verifying_key()) {
            return Some("is not signed by the member whom it names".into());
        }
        if self.messages.iter().all(|other| other.digest() != message.digest()) {
            self.messages.push(message);
        }
        None
    }

    /// Takes in the convenor's end of the round. Two of them are the convenor's misdeed, and no one can go on.
    fn take_cut_off(&mut self, path: &Path, plan: &Plan) -> Result<Option<String>, Failure> {
        let cut_off: Signed<CutOff> = match read_object(path) {
            Ok(cut_off) => cut_off,
            Err(failure) => return Ok(Some(failure.message().to_owned())),
        };
        let content = cut_off.content();
        if content.session() != plan.session() || content.round() != T::ROUND {
            return Ok(Some("ends a round of another session".into()));
        }
        if !cut_off.verify(plan.committee().convenor()) {
            return Ok(Some("is not signed by the convenor".into()));
        }
        if self.cut_off.as_ref().is_some_and(|other| other.digest() != cut_off.digest()) {
            let why = "is a second end of this round, signed by the convenor: start again with another one";
            return Err(Failure::new(Kind::Damaged, why).at(path));
        }
        self.cut_off = Some(cut_off);
        Ok(None)
    }

    fn look_for_late_ones(&mut self) {
        let Some(cut_off) = &self.cut_off else { return };
        let entries = cut_off.content().entries();
        for message in &self.messages {
            let at = usize::from(message.content().author()).saturating_sub(1);
            let why = match entries.get(at) {
                Some(Entry::Posted(digest)) if digest == message.digest() => continue,
                Some(Entry::Posted(_)) => "came late, and is a second one of its member",
                Some(Entry::Equivocated(_)) => "is one of two that its member signed",
                Some(Entry::Silent) | None => "came late: the cut-off does not list it",
            };
            self.passed_over
                .push(PassedOver { file: format!("round{}/{}", T::ROUND, name_of(message)), why: why.into() });
        }
    }

    /// The ended round; `None` while it is open.
    fn board(&self) -> Option<Board<'_, T>> {
        self.cut_off.as_ref().map(|cut_off| Board::new(cut_off, &self.messages))
    }

    /// The members who said nothing yet.
    pub(super) fn silent(&self, plan: &Plan) -> Vec<MemberId> {
        let spoke = |id: MemberId| self.messages.iter().any(|m| m.content().author() == id.get());
        T::authors(plan).members().map(|(id, _)| id).filter(|id| !spoke(*id)).collect()
    }
}

/// `3-59c1a07e11223344`
fn name_of<T: Content>(message: &Signed<T>) -> String {
    format!("{}-{}", message.content().author(), short(message.digest()))
}

/// The board of one run, read.
#[derive(Clone, Debug)]
pub(super) struct Run {
    path: PathBuf,
    pub(super) plan: Plan,
    pub(super) round0: Round<round0::Package>,
    pub(super) round1: Round<round1::Package>,
    pub(super) round2: Round<round2::Package>,
}

impl Run {
    /// Makes the board of a new run: a directory that holds the plan.
    pub(super) fn create(path: &Path, plan: &Plan) -> Result<(), Failure> {
        let file = path.join("plan");
        refuse_existing(&file)?;
        if !listing(path)?.is_empty() {
            return Err(Failure::new(Kind::Refused, "is not empty: a run has a directory of its own").at(path));
        }
        std::fs::create_dir_all(path).map_err(|e| Failure::from(e).at(path))?;
        write_armored(&file, plan, false, false)
    }

    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let plan: Plan = read_object(&path.join("plan"))?;
        let round0 = Round::read(path, &plan)?;
        let round1 = Round::read(path, &plan)?;
        let round2 = Round::read(path, &plan)?;
        Ok(Self { path: path.to_owned(), plan, round0, round1, round2 })
    }

    pub(super) fn session(&self) -> Session {
        self.plan.session()
    }

    /// The round that is open, if one is.
    pub(super) fn open_round(&self) -> Option<u8> {
        let ended = [self.round0.cut_off.is_some(), self.round1.cut_off.is_some(), self.round2.cut_off.is_some()];
        ended.iter().zip(0u8..).find(|(ended, _)| !**ended).map(|(_, round)| round)
    }

    /// Everything that does not count.
    pub(super) fn passed_over(&self) -> Vec<PassedOver> {
        [&self.round0.passed_over[..], &self.round1.passed_over, &self.round2.passed_over].concat()
    }

    fn open(round: u8) -> Failure {
        let why = format!("round {round} is open: its cut-off is not here yet (the convenor makes it with `close`)");
        Failure::new(Kind::Refused, why)
    }

    /// What a protocol error means on this board: a message that is listed and was passed over is a damaged file.
    fn explain(&self, error: ProtocolError) -> Failure {
        let digests = |cut_off: &Option<Signed<CutOff>>| {
            cut_off.iter().flat_map(|c| c.content().entries().to_vec()).collect::<Vec<_>>()
        };
        if matches!(error, ProtocolError::Missing(_)) {
            let rounds = [&self.round0.cut_off, &self.round1.cut_off, &self.round2.cut_off];
            for (round, cut_off) in rounds.into_iter().enumerate() {
                for entry in digests(cut_off) {
                    let Entry::Posted(digest) = entry else { continue };
                    let damaged = self.passed_over().into_iter().find(|p| {
                        p.file.starts_with(&format!("round{round}/"))
                            && p.file.ends_with(&format!("-{}", short(&digest)))
                    });
                    if let Some(PassedOver { file, why }) = damaged {
                        let why = format!("{file}: {why}; fetch it again, the cut-off lists it");
                        return Failure::new(Kind::Damaged, why).at(&self.path);
                    }
                }
            }
        }
        Failure::from(error).at(&self.path)
    }

    pub(super) fn enrolments(&self) -> Result<Enrolments, Failure> {
        let board = self.round0.board().ok_or_else(|| Self::open(0))?;
        self.plan.enrolments(&board).map_err(|e| self.explain(e))
    }

    pub(super) fn dealings(&self) -> Result<Dealings, Failure> {
        let enrolments = self.enrolments()?;
        let board = self.round1.board().ok_or_else(|| Self::open(1))?;
        enrolments.dealings(&board).map_err(|e| self.explain(e))
    }

    pub(super) fn outcome(&self) -> Result<(Dealings, Outcome), Failure> {
        let dealings = self.dealings()?;
        let board = self.round2.board().ok_or_else(|| Self::open(2))?;
        let outcome = dealings.outcome(&board).map_err(|e| self.explain(e))?;
        Ok((dealings, outcome))
    }

    /// Why the public part cannot be run to where the cut-offs reach.
    pub(super) fn failure(&self) -> Result<ProtocolError, Failure> {
        let run = || -> Result<(), ProtocolError> {
            let Some(board) = self.round0.board() else { return Ok(()) };
            let enrolments = self.plan.enrolments(&board)?;
            let Some(board) = self.round1.board() else { return Ok(()) };
            let dealings = enrolments.dealings(&board)?;
            let Some(board) = self.round2.board() else { return Ok(()) };
            dealings.outcome(&board).map(|_| ())
        };
        match run() {
            Err(error @ ProtocolError::TooFew { .. }) => Ok(error),
            Err(other) => Err(self.explain(other)),
            Ok(()) => Err(Failure::new(Kind::Failed, "the board changed while it was read").at(&self.path)),
        }
    }

    /// Everything of an ended run in one object.
    pub(super) fn transcript(&self) -> Option<Transcript> {
        Some(Transcript::new(&self.plan, &self.round0.board()?, &self.round1.board()?, &self.round2.board()?))
    }

    /// Where a message lies.
    pub(super) fn place<T: Message>(&self, message: &Signed<T>) -> PathBuf {
        self.path.join(format!("round{}", T::ROUND)).join(name_of(message))
    }

    /// Puts a message on the board; the same again is no matter.
    pub(super) fn post<T: Message>(&self, message: &Signed<T>) -> Result<PathBuf, Failure> {
        let path = self.place(message);
        post_at(&path, message)?;
        Ok(path)
    }

    /// Puts the end of a round on the board.
    pub(super) fn post_cut_off(&self, cut_off: &Signed<CutOff>) -> Result<PathBuf, Failure> {
        let folder = self.path.join(format!("round{}", cut_off.content().round()));
        let path = folder.join(format!("cut-off-{}", short(cut_off.digest())));
        post_at(&path, cut_off)?;
        Ok(path)
    }

    /// Writes what everybody computes alike: the same bytes at each member's, so that what is there must be the same.
    pub(super) fn publish<T: Wire>(&self, name: &str, object: &T) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        post_at(&path, object)?;
        Ok(path)
    }
}

/// Writes a file on a board. One that is there already must be the same.
pub(crate) fn post_at<T: Wire>(path: &Path, object: &T) -> Result<(), Failure> {
    let at = |e: io::Error| Failure::from(e).at(path);
    let text = mediveil_codec::armor::encode(object);
    match std::fs::read(path) {
        Ok(there) if there == text.as_bytes() => Ok(()),
        Ok(_) => Err(Failure::new(Kind::Damaged, "is there already and differs: it was changed").at(path)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(at)?;
            }
            AtomicFile::options().keep_existing(true).write(path, text.as_bytes()).map_err(at)
        }
        Err(e) => Err(at(e)),
    }
}
