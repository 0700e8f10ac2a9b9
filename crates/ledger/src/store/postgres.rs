//! PostgreSQL, for services on several machines.
//!
//! A log is five tables in the schema that a connection begins in: `postgres://host/database?options=-csearch_path%3Dward7` names
//! one schema among others, and without it the schema is `public`. Writers of all machines exclude each other by one advisory
//! lock, which is taken at the beginning of a transaction and goes with it, however it ends; what a writer reads is current
//! until it commits. Readers work on snapshots (`REPEATABLE READ`) and wait for nobody.
//!
//! *Durability.* A commit returns after the server has written it through (`synchronous_commit` at least `on`; a server that
//! runs with `fsync=off` is refused). Replicas, backups and who may connect are the server's business. A writer whose connection
//! breaks during a commit is told so ([`LogError::Uncertain`]); the next transaction connects anew and sees first that the log
//! extends what it knew.
//!
//! *Transport.* Unix sockets as they are. Over TCP the connection is TLS with the server's name verified against the system's
//! authorities (`SSL_CERT_FILE` names others), unless the address says `sslmode=disable`, which is for a network that is
//! protected by itself. A password is taken from the address or, better, from `PGPASSWORD`.
//!
//! Calls block, and must not be made on a thread that drives an asynchronous runtime.

use super::db::{Db, Inner, Value};
use super::group::Guard;
use crate::{Damage, LogError, LogId};
use openssl::ssl::{SslConnector, SslMethod};
use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls, Statement};
use postgres_openssl::MakeTlsConnector;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::time::Duration;

pub(super) use postgres::Row as PostgresRow;

const FORMAT: &[u8] = b"1";

const SCHEMA: &str = "
CREATE TABLE ledger_entry (idx BIGINT PRIMARY KEY, body BYTEA NOT NULL);
CREATE TABLE ledger_head (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, size BIGINT NOT NULL, head BYTEA NOT NULL);
CREATE TABLE ledger_key (key BYTEA PRIMARY KEY, idx BIGINT NOT NULL);
CREATE TABLE ledger_meta (name TEXT PRIMARY KEY, value BYTEA NOT NULL);
CREATE TABLE ledger_node (pos BIGINT PRIMARY KEY, hash BYTEA NOT NULL);
";

/// What the tables must look like, in order.
const TABLES: [(&str, &str); 5] = [
    ("ledger_entry", "idx bigint, body bytea"),
    ("ledger_head", "id bigint, size bigint, head bytea"),
    ("ledger_key", "key bytea, idx bigint"),
    ("ledger_meta", "name text, value bytea"),
    ("ledger_node", "pos bigint, hash bytea"),
];

/// Who makes a log waits for whoever else is making one: "MDVL".
const CREATION: &str = "SELECT pg_advisory_xact_lock(1296324172)";

/// The lock of the one log in this schema: tables are numbered, and their numbers unique in a database.
const LOCK: &str = "SELECT pg_advisory_xact_lock('ledger_entry'::regclass::oid::bigint)";

pub(super) struct Postgres {
    config: Config,
    client: RefCell<Client>,
    statements: RefCell<HashMap<&'static str, Statement>>,
    id: Option<LogId>,
    open: Cell<bool>,
    writes: bool,
    guard: Option<Guard>,
}

impl From<postgres::Error> for LogError {
    fn from(error: postgres::Error) -> Self {
        let Some(state) = error.code() else {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            return Self::Storage(format!("{error}{cause}"));
        };
        let code = state.code();
        // Messages about connections, resources and names; the rest may quote values of rows.
        let tells = ["08", "28", "3D", "3F", "42", "53", "57"].iter().any(|class| code.starts_with(class));
        let message = error.as_db_error().filter(|_| tells).map(|e| format!(", {}", e.message())).unwrap_or_default();
        match state {
            s if *s == SqlState::DISK_FULL => Self::Full,
            s if *s == SqlState::LOCK_NOT_AVAILABLE => Self::Busy,
            s if *s == SqlState::READ_ONLY_SQL_TRANSACTION || *s == SqlState::INSUFFICIENT_PRIVILEGE => Self::ReadOnly,
            s if *s == SqlState::DATA_CORRUPTED || *s == SqlState::INDEX_CORRUPTED => {
                Self::Damaged(Damage::Database(format!("PostgreSQL reports {code}")))
            }
            s if *s == SqlState::UNDEFINED_TABLE => Self::Storage(format!("no such table{message}")),
            _ => Self::Storage(format!("PostgreSQL reports {code}{message}")),
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Bytes(value) => value.to_sql(ty, out),
            Self::Text(value) => value.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::BYTEA, Type::TEXT].contains(ty)
    }

    to_sql_checked!();
}

/// Makes a log where the address says.
pub(crate) fn create(url: &str, id: LogId, busy: Duration) -> Result<Db, LogError> {
    let mut postgres = Postgres::connect(configure(url)?, true)?;
    postgres.control("BEGIN")?;
    postgres.lock(CREATION, busy)?;
    let there = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
                 AND relname IN ('ledger_entry', 'ledger_head', 'ledger_key', 'ledger_meta', 'ledger_node')";
    match postgres.query(there, &[])?.first().map(|row| row.try_get::<_, i64>(0)).transpose()? {
        Some(0) => {}
        _ => return Err(LogError::Exists),
    }
    postgres.control(SCHEMA)?;
    let insert = "INSERT INTO ledger_meta (name, value) VALUES ('id', ?1), ('format', ?2)";
    postgres.execute(insert, &[id.as_bytes().into(), FORMAT.into()])?;
    postgres.control("COMMIT")?;
    postgres.id = Some(id);
    Ok(Db { inner: Inner::Postgres(Box::new(postgres)) })
}

/// Opens the log where the address says.
pub(crate) fn open(url: &str, writes: bool) -> Result<(Db, LogId), LogError> {
    let mut postgres = Postgres::connect(configure(url)?, writes)?;
    let id = postgres.identify()?;
    postgres.check_schema()?;
    if writes {
        let may = "SELECT 1 WHERE has_table_privilege('ledger_entry', 'INSERT') AND NOT pg_is_in_recovery() \
                   AND current_setting('default_transaction_read_only') = 'off'";
        if postgres.query(may, &[])?.is_empty() {
            return Err(LogError::ReadOnly);
        }
    }
    postgres.id = Some(id);
    Ok((Db { inner: Inner::Postgres(Box::new(postgres)) }, id))
}

impl Db {
    /// Keeps callers' statements away from the log's tables.
    pub(super) fn guard(&mut self, guard: &Guard) {
        if let Inner::Postgres(postgres) = &mut self.inner {
            postgres.guard = Some(guard.clone());
        }
    }
}

fn configure(url: &str) -> Result<Config, LogError> {
    let unreadable = |e: postgres::Error| {
        let cause = e.source().map(ToString::to_string).unwrap_or_default();
        LogError::Storage(format!("not the address of a PostgreSQL database: {cause}"))
    };
    let mut config: Config = url.parse().map_err(unreadable)?;
    if config.get_password().is_none()
        && let Some(password) = std::env::var_os("PGPASSWORD")
    {
        config.password(password.as_encoded_bytes());
    }
    if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_))) {
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(SslMode::Require);
        }
    } else {
        config.ssl_mode(SslMode::Disable);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    config.application_name("mediveil");
    Ok(config)
}

impl Postgres {
    fn connect(config: Config, writes: bool) -> Result<Self, LogError> {
        let client = dial(&config, writes)?;
        Ok(Self {
            config,
            client: RefCell::new(client),
            statements: RefCell::default(),
            id: None,
            open: Cell::new(false),
            writes,
            guard: None,
        })
    }

    /// The statement, prepared once a connection.
    fn prepared(&self, sql: &'static str) -> Result<Statement, LogError> {
        self.judge(sql)?;
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.borrow_mut().prepare(&sql.replace('?', "$"))?;
        self.statements.borrow_mut().insert(sql, statement.clone());
        Ok(statement)
    }

    pub(super) fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<usize, LogError> {
        let statement = self.prepared(sql)?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|p| p as &(dyn ToSql + Sync)).collect();
        let changed = self.client.borrow_mut().execute(&statement, &params)?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub(super) fn query(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<PostgresRow>, LogError> {
        let statement = self.prepared(sql)?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|p| p as &(dyn ToSql + Sync)).collect();
        Ok(self.client.borrow_mut().query(&statement, &params)?)
    }

    pub(super) fn define(&self, sql: &str) -> Result<(), LogError> {
        self.judge(sql)?;
        let sql = sql.replace(" STRICT, WITHOUT ROWID", "").replace(" STRICT", "");
        self.control(&sql.replace("INTEGER", "BIGINT").replace("BLOB", "BYTEA"))
    }

    /// Runs statements of the log's own, without parameters.
    pub(super) fn control(&self, sql: &str) -> Result<(), LogError> {
        Ok(self.client.borrow_mut().batch_execute(sql)?)
    }

    /// What SQLite's authorizer does, roughly: statements that read, and those that define and change tables of the caller.
    fn judge(&self, sql: &str) -> Result<(), LogError> {
        if self.guard.as_ref().is_none_or(Guard::is_own) {
            return Ok(());
        }
        const FREE: [&str; 3] = ["SELECT", "VALUES", "TABLE"];
        const CHANGES: [&str; 7] = ["INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "WITH"];
        let allowed = sql.split(';').filter(|part| !part.trim().is_empty()).all(|part| {
            let word = part.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            let ours = part.to_ascii_lowercase().contains("ledger_");
            (FREE.contains(&word.as_str()) && !part.to_ascii_lowercase().contains("set_config"))
                || (CHANGES.contains(&word.as_str()) && !ours)
        });
        if allowed { Ok(()) } else { Err(LogError::Forbidden) }
    }

    /// Waits for an advisory lock inside the transaction.
    fn lock(&self, lock: &str, busy: Duration) -> Result<(), LogError> {
        let wait = busy.as_millis().clamp(1, 2_000_000_000);
        self.control(&format!("SET LOCAL lock_timeout = {wait}; {lock}; SET LOCAL lock_timeout = 0"))
    }

    pub(super) fn begin(&self, busy: Duration) -> Result<(), LogError> {
        if !self.is_alive() {
            self.reconnect()?;
        }
        // A connection that broke unseen: nothing was begun, so it may be tried again.
        if self.control("BEGIN ISOLATION LEVEL READ COMMITTED").is_err() {
            self.reconnect()?;
            self.control("BEGIN ISOLATION LEVEL READ COMMITTED")?;
        }
        self.open.set(true);
        self.lock(LOCK, busy).inspect_err(|_| self.roll_back())
    }

    fn reconnect(&self) -> Result<(), LogError> {
        self.open.set(false);
        let client = dial(&self.config, self.writes)?;
        *self.client.borrow_mut() = client;
        self.statements.borrow_mut().clear();
        let found = self.identify()?;
        match self.id {
            Some(expected) if expected != found => Err(LogError::OtherLog { expected, found }),
            _ => Ok(()),
        }
    }

    pub(super) fn commit(&self) -> Result<(), LogError> {
        // A transaction that failed would be undone by COMMIT without a word: the first statement would say so.
        let ended = self.client.borrow_mut().batch_execute("SELECT 1; COMMIT");
        let Err(error) = ended else {
            self.open.set(false);
            return Ok(());
        };
        let told = error.code().is_some_and(|state| !["08", "57"].iter().any(|class| state.code().starts_with(class)));
        self.roll_back();
        Err(if told { error.into() } else { LogError::Uncertain })
    }

    pub(super) fn roll_back(&self) {
        self.open.set(false);
        // An error means that there is nothing to roll back, or nobody to tell.
        let _ = self.control("ROLLBACK");
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.open.get() && self.is_alive()
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.client.borrow().is_closed()
    }

    /// The id of the log in this schema.
    fn identify(&self) -> Result<LogId, LogError> {
        let here = "SELECT 1 WHERE to_regclass('ledger_meta') IS NOT NULL";
        if self.query(here, &[])?.is_empty() {
            return Err(LogError::NotFound);
        }
        let rows = self.query("SELECT name, value FROM ledger_meta ORDER BY name", &[])?;
        let mut meta: HashMap<String, Vec<u8>> = HashMap::new();
        for row in &rows {
            meta.insert(row.try_get(0)?, row.try_get(1)?);
        }
        let format = meta.get("format").ok_or(LogError::NotALog)?;
        if format != FORMAT {
            let format = std::str::from_utf8(format).ok().and_then(|f| f.parse().ok());
            return Err(LogError::Format(format.unwrap_or(u32::MAX)));
        }
        let id = meta.get("id").and_then(|id| id.as_slice().try_into().ok());
        let id = id.ok_or_else(|| Damage::Schema("the log's id is not 32 bytes".into()))?;
        Ok(LogId::from_bytes(id))
    }

    /// Our tables are exactly ours, with no trigger, rule or row policy of anyone else upon them.
    pub(super) fn check_schema(&self) -> Result<(), LogError> {
        let sql = "SELECT c.relname::text, \
                   (c.relkind <> 'r' OR c.relhastriggers OR c.relhasrules OR c.relrowsecurity)::int::bigint, \
                   coalesce((SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) \
                   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '') \
                   FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace \
                   AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND lower(left(c.relname, 7)) = 'ledger_' ORDER BY 1";
        let mut found = 0usize;
        for row in &self.query(sql, &[])? {
            let (name, altered, columns): (String, i64, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if altered != 0 || !TABLES.contains(&(name.as_str(), columns.as_str())) {
                return Err(Damage::Schema(format!("{name} is not as the log made it")).into());
            }
            found = found.saturating_add(1);
        }
        if found == TABLES.len() { Ok(()) } else { Err(Damage::Schema("a table of the log is missing".into()).into()) }
    }
}

/// Connects, and settles how durable commits are.
fn dial(config: &Config, writes: bool) -> Result<Client, LogError> {
    let mut client = if config.get_ssl_mode() == SslMode::Disable {
        config.connect(NoTls)?
    } else {
        let tls = SslConnector::builder(SslMethod::tls()).map_err(|e| LogError::Storage(e.to_string()))?;
        config.connect(MakeTlsConnector::new(tls.build()))?
    };
    if writes {
        // A writer that hangs inside a transaction loses it, and the lock with it, instead of stopping everybody.
        client.batch_execute(
            "SET idle_in_transaction_session_timeout = '60s'; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')",
        )?;
        let row = client.query_one("SELECT current_setting('fsync')", &[])?;
        if row.try_get::<_, String>(0)? != "on" {
            return Err(LogError::Storage(
                "the server does not sync what it writes (fsync=off): no log is kept there".into(),
            ));
        }
    } else {
        client.batch_execute("SET default_transaction_read_only = on")?;
    }
    Ok(client)
}
