//! The rows of the log, one function for each thing that is read or written.

use super::Db;
use crate::tree::{Frontier, Hash, Node, Range, stored_nodes};
use crate::{Damage, LogError, UniqueKey};

/// SQLite's integers are signed; indices and positions stay far below the limit by [`MAX_SIZE`](crate::MAX_SIZE).
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn uint(value: i64) -> Result<u64, Damage> {
    u64::try_from(value).map_err(|_| Damage::Schema("a negative number".into()))
}

/// How many entries there are, once the nodes are seen to be as many as belong to them.
pub(crate) fn size(conn: &Db) -> Result<u64, LogError> {
    let size = count(conn, "SELECT max(idx) FROM ledger_entry")?;
    let nodes = count(conn, "SELECT max(pos) FROM ledger_node")?;
    if size > crate::MAX_SIZE {
        return Err(Damage::EntryMissing { index: 0 }.into());
    }
    let expected = stored_nodes(size);
    if nodes != expected {
        return Err(Damage::NodeCount { entries: size, nodes, expected }.into());
    }
    Ok(size)
}

fn count(conn: &Db, last: &'static str) -> Result<u64, LogError> {
    let last = conn.first(last, &[], |row| row.optional_int(0))?.flatten();
    Ok(last.map(uint).transpose()?.map_or(0, |n| n.saturating_add(1)))
}

pub(crate) fn hash_of(bytes: &[u8], node: Node) -> Result<Hash, Damage> {
    let bytes = bytes.try_into().map_err(|_| Damage::NodeChanged { level: node.level, index: node.index })?;
    Ok(Hash::from_bytes(bytes))
}

pub(crate) fn node(conn: &Db, node: Node) -> Result<Hash, LogError> {
    let stored = conn.first("SELECT hash FROM ledger_node WHERE pos = ?1", &[int(node.position()).into()], |row| {
        let bytes = row.bytes(0).map_err(|_| Damage::NodeChanged { level: node.level, index: node.index })?;
        Ok(hash_of(&bytes, node)?)
    })?;
    stored.ok_or_else(|| Damage::NodeMissing { level: node.level, index: node.index }.into())
}

pub(crate) fn insert_node(conn: &Db, node: Node, hash: &Hash) -> Result<(), LogError> {
    let values = [int(node.position()).into(), hash.as_bytes().into()];
    conn.execute("INSERT INTO ledger_node (pos, hash) VALUES (?1, ?2)", &values)?;
    Ok(())
}

/// The root of a subtree, from its stored nodes.
pub(crate) fn range_root(conn: &Db, range: Range) -> Result<Hash, LogError> {
    let peaks = range.peaks().map(|n| node(conn, n)).collect::<Result<Vec<_>, _>>()?;
    Ok(Range::fold(&peaks).unwrap_or_else(Hash::empty_root))
}

/// The right edge of the tree of the first `size` entries.
pub(crate) fn frontier(conn: &Db, size: u64) -> Result<Frontier, LogError> {
    let range = Range { start: 0, end: size };
    let peaks = range.peaks().map(|n| node(conn, n)).collect::<Result<Vec<_>, _>>()?;
    Frontier::new(size, peaks).ok_or_else(|| LogError::Storage("a tree without its right edge".into()))
}

pub(crate) fn insert_entry(conn: &Db, index: u64, bytes: &[u8]) -> Result<(), LogError> {
    conn.execute("INSERT INTO ledger_entry (idx, body) VALUES (?1, ?2)", &[int(index).into(), bytes.into()])?;
    Ok(())
}

/// The bytes of an entry, seen to hash to its leaf.
pub(crate) fn entry(conn: &Db, index: u64) -> Result<Vec<u8>, LogError> {
    let bytes = conn.first("SELECT body FROM ledger_entry WHERE idx = ?1", &[int(index).into()], |row| row.bytes(0))?;
    let bytes = bytes.ok_or(Damage::EntryMissing { index })?;
    if Hash::leaf(&bytes) != node(conn, Node::leaf(index))? {
        return Err(Damage::EntryChanged { index }.into());
    }
    Ok(bytes)
}

pub(crate) fn insert_key(conn: &Db, key: &UniqueKey, index: u64) -> Result<(), LogError> {
    let values = [key.as_bytes().into(), int(index).into()];
    conn.execute("INSERT INTO ledger_key (key, idx) VALUES (?1, ?2)", &values)?;
    Ok(())
}

pub(crate) fn find_key(conn: &Db, key: &UniqueKey) -> Result<Option<u64>, LogError> {
    let found = "SELECT idx FROM ledger_key WHERE key = ?1";
    let index = conn.first(found, &[key.as_bytes().into()], |row| row.int(0))?;
    Ok(index.map(uint).transpose()?)
}

pub(crate) fn insert_head(conn: &Db, size: u64, head: &[u8]) -> Result<(), LogError> {
    conn.execute("INSERT INTO ledger_head (size, head) VALUES (?1, ?2)", &[int(size).into(), head.into()])?;
    Ok(())
}

/// The head that was stored last.
pub(crate) fn last_head(conn: &Db) -> Result<Option<Vec<u8>>, LogError> {
    conn.first("SELECT head FROM ledger_head ORDER BY id DESC LIMIT 1", &[], |row| row.bytes(0))
}

/// What a column holds, if it holds bytes.
type Bytes = Option<Vec<u8>>;

/// A table that is read from its beginning, a page at a time: a number, and bytes if they are bytes.
pub(crate) struct Pages<'a> {
    conn: &'a Db,
    sql: &'static str,
    next: i64,
    page: std::vec::IntoIter<(i64, Bytes)>,
}

impl<'a> Pages<'a> {
    pub(crate) fn of_entries(conn: &'a Db) -> Self {
        Self::new(conn, "SELECT idx, body FROM ledger_entry WHERE idx >= ?1 ORDER BY idx LIMIT 1024")
    }

    pub(crate) fn of_nodes(conn: &'a Db) -> Self {
        Self::new(conn, "SELECT pos, hash FROM ledger_node WHERE pos >= ?1 ORDER BY pos LIMIT 1024")
    }

    fn new(conn: &'a Db, sql: &'static str) -> Self {
        Self { conn, sql, next: i64::MIN, page: Vec::new().into_iter() }
    }

    pub(crate) fn next(&mut self) -> Result<Option<(u64, Bytes)>, LogError> {
        if self.page.len() == 0 {
            let page = self.conn.all(self.sql, &[self.next.into()], |row| Ok((row.int(0)?, row.bytes(1).ok())))?;
            self.page = page.into_iter();
        }
        let Some((number, bytes)) = self.page.next() else { return Ok(None) };
        self.next = number.saturating_add(1);
        Ok(Some((uint(number)?, bytes)))
    }
}
