//! Checking a whole log from its entries upward.

use crate::head::{Checkpoint, Head};
use crate::log::stored_head;
use crate::store::{self, Db, Pages, hash_of, uint};
use crate::tree::{Frontier, Hash, Node, stored_nodes};
use crate::{Damage, Entry, Log, LogError, UniqueKey};
use mediveil_codec::Wire;
use std::collections::BTreeMap;

/// What [`Log::verify_all`] found to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The log, its size, and the root computed from its entries.
    pub state: Checkpoint,
    /// How many stored heads fit it.
    pub heads: u64,
    /// How many entries are of a kind that this version cannot read. They are in the tree like all others.
    pub unreadable: u64,
}

impl Log {
    /// Recomputes everything from the entries: every leaf, every stored node, the root under every stored head, the
    /// signatures of these heads under the keys that they name, the index of unique keys, the table definitions, and
    /// SQLite's own structures where it is SQLite. O(n); one snapshot, so others may write meanwhile.
    ///
    /// What this cannot find is a log replaced as a whole, heads included: use [`check_against`](Log::check_against) with
    /// a head from elsewhere for that.
    ///
    /// # Errors
    /// [`LogError::Damaged`] telling the first thing that is wrong.
    pub fn verify_all(&self) -> Result<Verified, LogError> {
        self.read(|conn| verify(self, conn))
    }
}

fn verify(log: &Log, conn: &Db) -> Result<Verified, LogError> {
    conn.check_schema()?;
    conn.check_structures()?;
    let heads = stored_heads(log, conn)?;
    let (mut entries, mut nodes) = (Pages::of_entries(conn), Pages::of_nodes(conn));
    let mut frontier = Frontier::default();
    let (mut keys, mut unreadable) = (0u64, 0u64);
    check_heads(&heads, &frontier)?;
    while let Some((found, bytes)) = entries.next()? {
        let index = frontier.size();
        if found != index {
            return Err(Damage::EntryMissing { index }.into());
        }
        let bytes = bytes.ok_or(Damage::EntryChanged { index })?;
        frontier.push(Hash::leaf(&bytes), |node, hash| check_node(&mut nodes, node, hash))?;
        match Entry::decode(&bytes) {
            Ok(Entry { key: Some(key), .. }) => {
                keys = keys.saturating_add(1);
                check_key(conn, &key, index)?;
            }
            Ok(_) => {}
            Err(_) => unreadable = unreadable.saturating_add(1),
        }
        check_heads(&heads, &frontier)?;
    }
    let size = frontier.size();
    if nodes.next()?.is_some() {
        let stored = number(conn, "SELECT count(*) FROM ledger_node")?;
        return Err(Damage::NodeCount { entries: size, nodes: stored, expected: stored_nodes(size) }.into());
    }
    if let Some((signed, _)) = heads.range(size.saturating_add(1)..).next() {
        return Err(Damage::Cut { signed: *signed, found: size }.into());
    }
    // Every key of an entry is in the index; if there are more in it, one is of no readable entry.
    if number(conn, "SELECT count(*) FROM ledger_key")? != keys && unreadable == 0 {
        let index = number(conn, "SELECT idx FROM ledger_key ORDER BY idx DESC LIMIT 1")?;
        return Err(Damage::KeyIndex { index }.into());
    }
    let state = Checkpoint { log: log.id(), size, root: frontier.root() };
    let heads = heads.values().map(|h| u64::try_from(h.len()).unwrap_or(u64::MAX)).sum();
    Ok(Verified { state, heads, unreadable })
}

fn number(conn: &Db, sql: &'static str) -> Result<u64, LogError> {
    Ok(uint(conn.first(sql, &[], |row| row.int(0))?.unwrap_or(0))?)
}

/// The stored heads by size, each with a signature that verifies under the key it names.
fn stored_heads(log: &Log, conn: &Db) -> Result<BTreeMap<u64, Vec<Head>>, LogError> {
    let rows = conn.all("SELECT size, head FROM ledger_head ORDER BY id", &[], |row| {
        Ok((row.int(0)?, row.bytes(1).map_err(|_| Damage::Head("it is no bytes".into()))?))
    })?;
    let mut heads: BTreeMap<u64, Vec<Head>> = BTreeMap::new();
    for (size, bytes) in rows {
        let head = stored_head(log.id(), &bytes)?;
        if uint(size)? != head.size() {
            return Err(Damage::Head("it is stored under another size".into()).into());
        }
        heads.entry(head.size()).or_default().push(head);
    }
    Ok(heads)
}

fn check_heads(heads: &BTreeMap<u64, Vec<Head>>, frontier: &Frontier) -> Result<(), LogError> {
    let size = frontier.size();
    match heads.get(&size) {
        Some(heads) if heads.iter().any(|h| h.root() != frontier.root()) => Err(Damage::Rewritten { size }.into()),
        _ => Ok(()),
    }
}

fn check_node(nodes: &mut Pages<'_>, node: Node, hash: Hash) -> Result<(), LogError> {
    let Node { level, index } = node;
    let missing = Damage::NodeMissing { level, index };
    let (position, bytes) = nodes.next()?.ok_or(missing.clone())?;
    if position != node.position() {
        return Err(missing.into());
    }
    let changed = if level == 0 { Damage::EntryChanged { index } } else { Damage::NodeChanged { level, index } };
    let stored = bytes.and_then(|bytes| hash_of(&bytes, node).ok());
    if stored == Some(hash) { Ok(()) } else { Err(changed.into()) }
}

fn check_key(conn: &Db, key: &UniqueKey, index: u64) -> Result<(), LogError> {
    if store::find_key(conn, key)? == Some(index) { Ok(()) } else { Err(Damage::KeyIndex { index }.into()) }
}
