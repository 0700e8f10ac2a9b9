//! The rows of the log, one function for each thing that is read or written.

use crate::tree::{Frontier, Hash, Node, Range, stored_nodes};
use crate::{Damage, LogError, UniqueKey};
use rusqlite::{Connection, OptionalExtension};

/// SQLite's integers are signed; indices and positions stay far below the limit by [`MAX_SIZE`](crate::MAX_SIZE).
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn uint(value: i64) -> Result<u64, Damage> {
    u64::try_from(value).map_err(|_| Damage::Schema("a negative number".into()))
}

/// How many entries there are, once the nodes are seen to be as many as belong to them.
pub(crate) fn size(conn: &Connection) -> Result<u64, LogError> {
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

fn count(conn: &Connection, last: &str) -> Result<u64, LogError> {
    let last: Option<i64> = conn.prepare_cached(last)?.query_row([], |r| r.get(0))?;
    Ok(last.map(uint).transpose()?.map_or(0, |n| n.saturating_add(1)))
}

pub(crate) fn hash_of(bytes: &[u8], node: Node) -> Result<Hash, Damage> {
    let bytes = bytes.try_into().map_err(|_| Damage::NodeChanged { level: node.level, index: node.index })?;
    Ok(Hash::from_bytes(bytes))
}

pub(crate) fn node(conn: &Connection, node: Node) -> Result<Hash, LogError> {
    let mut statement = conn.prepare_cached("SELECT hash FROM ledger_node WHERE pos = ?1")?;
    let mut rows = statement.query([int(node.position())])?;
    let Some(row) = rows.next()? else {
        return Err(Damage::NodeMissing { level: node.level, index: node.index }.into());
    };
    let bytes = row.get_ref(0)?.as_blob().map_err(|_| Damage::NodeChanged { level: node.level, index: node.index })?;
    Ok(hash_of(bytes, node)?)
}

pub(crate) fn insert_node(conn: &Connection, node: Node, hash: &Hash) -> Result<(), LogError> {
    let mut statement = conn.prepare_cached("INSERT INTO ledger_node (pos, hash) VALUES (?1, ?2)")?;
    statement.execute((int(node.position()), hash.as_bytes().as_slice()))?;
    Ok(())
}

/// The root of a subtree, from its stored nodes.
pub(crate) fn range_root(conn: &Connection, range: Range) -> Result<Hash, LogError> {
    let peaks = range.peaks().map(|n| node(conn, n)).collect::<Result<Vec<_>, _>>()?;
    Ok(Range::fold(&peaks).unwrap_or_else(Hash::empty_root))
}

/// The right edge of the tree of the first `size` entries.
pub(crate) fn frontier(conn: &Connection, size: u64) -> Result<Frontier, LogError> {
    let range = Range { start: 0, end: size };
    let peaks = range.peaks().map(|n| node(conn, n)).collect::<Result<Vec<_>, _>>()?;
    Frontier::new(size, peaks).ok_or_else(|| LogError::Storage("a tree without its right edge".into()))
}

pub(crate) fn insert_entry(conn: &Connection, index: u64, bytes: &[u8]) -> Result<(), LogError> {
    let mut statement = conn.prepare_cached("INSERT INTO ledger_entry (idx, body) VALUES (?1, ?2)")?;
    statement.execute((int(index), bytes))?;
    Ok(())
}

/// The bytes of an entry, seen to hash to its leaf.
pub(crate) fn entry(conn: &Connection, index: u64) -> Result<Vec<u8>, LogError> {
    let mut statement = conn.prepare_cached("SELECT body FROM ledger_entry WHERE idx = ?1")?;
    let bytes: Option<Vec<u8>> = statement.query_row([int(index)], |r| r.get(0)).optional()?;
    let bytes = bytes.ok_or(Damage::EntryMissing { index })?;
    if Hash::leaf(&bytes) != node(conn, Node::leaf(index))? {
        return Err(Damage::EntryChanged { index }.into());
    }
    Ok(bytes)
}

pub(crate) fn insert_key(conn: &Connection, key: &UniqueKey, index: u64) -> Result<(), LogError> {
    let mut statement = conn.prepare_cached("INSERT INTO ledger_key (key, idx) VALUES (?1, ?2)")?;
    statement.execute((key.as_bytes().as_slice(), int(index)))?;
    Ok(())
}

pub(crate) fn find_key(conn: &Connection, key: &UniqueKey) -> Result<Option<u64>, LogError> {
    let mut statement = conn.prepare_cached("SELECT idx FROM ledger_key WHERE key = ?1")?;
    let index: Option<i64> = statement.query_row([key.as_bytes().as_slice()], |r| r.get(0)).optional()?;
    Ok(index.map(uint).transpose()?)
}

pub(crate) fn insert_head(conn: &Connection, size: u64, head: &[u8]) -> Result<(), LogError> {
    let mut statement = conn.prepare_cached("INSERT INTO ledger_head (size, head) VALUES (?1, ?2)")?;
    statement.execute((int(size), head))?;
    Ok(())
}

/// The head that was stored last.
pub(crate) fn last_head(conn: &Connection) -> Result<Option<Vec<u8>>, LogError> {
    let mut statement = conn.prepare_cached("SELECT head FROM ledger_head ORDER BY id DESC LIMIT 1")?;
    Ok(statement.query_row([], |r| r.get(0)).optional()?)
}
