//! The figures to reach: one row each, with its unit, its peer and its target.

/// How a row is made from criterion's mean time.
#[derive(Clone, Copy)]
pub(crate) enum Measure {
    /// Milliseconds for one operation.
    Millis,
    /// Gigabytes (10^9) a second for an operation over so many bytes.
    GigabytesPerSecond(f64),
    /// Millions of items a second for an operation over so many.
    MillionsPerSecond(f64),
    /// The value is printed by the `figures` program of the benches package, or by `overhead.py`, under the same id.
    Printed(&'static str),
}

/// What the value or the ratio must reach.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// The value itself is at least this.
    AtLeast(f64),
    /// The value itself is at most this.
    AtMost(f64),
    /// Ours is at least so many times better than the peer's.
    Ratio(f64),
    /// Recorded, no target.
    None,
}

pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) measure: Measure,
    /// Name of the peer whose twin bench is `<id>/peer`.
    pub(crate) peer: Option<&'static str>,
    pub(crate) target: Target,
}

const MIB64: f64 = (64 << 20) as f64;

const fn row(id: &'static str, measure: Measure, peer: Option<&'static str>, target: Target) -> Row {
    Row { id, measure, peer, target }
}

/// Every row, by area.
pub(crate) const ROWS: &[Row] = &[
    row("abe.keygen.50", Measure::Millis, Some("rabe AC17"), Target::Ratio(40.0)),
    row("abe.encrypt.50", Measure::Millis, Some("rabe AC17"), Target::Ratio(30.0)),
    row("abe.decrypt.50", Measure::Millis, Some("rabe AC17"), Target::Ratio(5.0)),
    row("abe.encrypt.50/first", Measure::Millis, None, Target::None),
    row("abe.decrypt.50/first", Measure::Millis, None, Target::None),
    row("abe.encrypt.50/epoch", Measure::Millis, None, Target::None),
    row("abe.ciphertext_bytes.50", Measure::Printed("bytes"), None, Target::AtMost(4096.0)),
    row("abe.key_bytes.50", Measure::Printed("bytes"), None, Target::AtMost(4096.0)),
    // From the bytes of ten sites' and three members' uploads to the stored release.
    row("federate.sum.1m", Measure::Printed("s"), None, Target::None),
    row("federate.upload_ratio", Measure::Printed("ratio"), None, Target::AtMost(5.0)),
    // One member's noise for a million entries, drawn by opendp on all cores.
    row("federate.noise.1m", Measure::Printed("s"), None, Target::None),
    row("federate.encrypt.100k", Measure::Millis, None, Target::None),
    row("federate.share_sum.13", Measure::Millis, None, Target::None),
    row("fhe.add", Measure::MillionsPerSecond(8192.0), None, Target::AtLeast(200.0)),
    row("fhe.encrypt", Measure::MillionsPerSecond(8192.0), None, Target::None),
    row("fhe.load", Measure::Millis, None, Target::None),
    row("fhe.filter_block", Measure::Millis, None, Target::None),
    row("fhe.filter_sum.1m", Measure::Printed("s"), None, Target::AtMost(10.0)),
    row("fhe.vs_tfhe", Measure::Printed("ms a row"), Some("tfhe FheUint"), Target::Ratio(1000.0)),
    row("tfhe.risk_score", Measure::Printed("s"), Some("tfhe FheUint32"), Target::Ratio(3.0)),
    row("tfhe.tree.depth6", Measure::Printed("s"), Some("tfhe FheUint32"), Target::Ratio(3.0)),
    row("fhe.committee_decrypt.5of9", Measure::Millis, None, Target::AtMost(20.0)),
    row("fhe.combine.5of9", Measure::Millis, None, Target::None),
    row("fhe.bytes_per_value", Measure::Printed("bytes"), None, Target::None),
    row("seal.encrypt.64mib", Measure::GigabytesPerSecond(MIB64), Some("age 0.11"), Target::AtLeast(1.0)),
    row("seal.open.64mib", Measure::GigabytesPerSecond(MIB64), Some("age 0.11"), Target::AtLeast(1.0)),
    row("seal.encrypt.64mib.aes", Measure::GigabytesPerSecond(MIB64), None, Target::None),
    row("seal.encrypt.64mib.signed", Measure::GigabytesPerSecond(MIB64), None, Target::None),
    row("seal.stream.64mib", Measure::GigabytesPerSecond(MIB64), Some("age 0.11"), Target::None),
    row("seal.door.p256", Measure::Millis, None, Target::None),
    row("seal.door.xwing", Measure::Millis, None, Target::None),
    row("seal.overhead.64mib", Measure::Printed("fraction"), Some("age 0.11"), Target::AtMost(0.0003)),
    row("seal.range.1gib", Measure::Printed("segments"), None, Target::AtMost(2.0)),
    row("seal.memory.stream", Measure::Printed("MiB"), None, Target::AtMost(16.0)),
    row("threshold.decrypt_share", Measure::Millis, Some("threshold_crypto"), Target::Ratio(3.0)),
    row("threshold.decrypt_share/decoded", Measure::Millis, None, Target::None),
    row("threshold.verify_share", Measure::Millis, Some("threshold_crypto"), Target::Ratio(3.0)),
    // Both without checks: ours for shares that were verified when they came. `/checked` checks the result as well.
    row("threshold.combine.34of100", Measure::Millis, Some("threshold_crypto"), Target::Ratio(3.0)),
    row("threshold.combine.34of100/first", Measure::Millis, Some("threshold_crypto"), Target::None),
    row("threshold.combine.34of100/checked", Measure::Millis, None, Target::None),
    // Processor time of one member, from bytes to its share.
    row("threshold.dkg.34of100", Measure::Millis, None, Target::AtMost(250.0)),
    row("threshold.dkg.2of4", Measure::Millis, None, Target::None),
    row("threshold.dkg.6of16", Measure::Millis, None, Target::None),
    row("threshold.dkg.22of64", Measure::Millis, None, Target::None),
    row("threshold.dkg.86of256", Measure::Millis, None, Target::None),
    row("dp.admission", Measure::Millis, Some("opendp, in memory"), Target::None),
    row("dp.ask.1000", Measure::Millis, None, Target::None),
    row("dp.preview", Measure::Millis, None, Target::None),
    row("dp.report.1100", Measure::Millis, None, Target::None),
    row("dp.admission_flatness", Measure::Printed("ratio"), Some("opendp at 3,000"), Target::AtMost(1.2)),
    row("dp.admission_flatness.no_sync", Measure::Printed("ratio"), None, Target::None),
    row("dp.admissions_per_s", Measure::Printed("1/s"), None, Target::None),
    row("dp.admissions_per_s.8", Measure::Printed("1/s"), None, Target::None),
    row("dp.epsilon_excess", Measure::Printed("fraction"), None, Target::AtMost(0.001)),
    row("ledger.append", Measure::Millis, None, Target::None),
    row("ledger.appends_per_s", Measure::Printed("1/s"), None, Target::None),
    row("ledger.appends_per_s.8", Measure::Printed("1/s"), None, Target::None),
    row("ledger.inclusion.100k", Measure::Millis, Some("ct-merkle in memory"), Target::None),
    row("ledger.consistency.100k", Measure::Millis, None, Target::None),
    row("ledger.verify_evidence", Measure::Millis, None, Target::None),
    row("ledger.evidence_bytes.100k", Measure::Printed("bytes"), None, Target::None),
    // The largest of the four below: what a call from Python takes beyond the same in Rust.
    row("py.overhead", Measure::Printed("fraction"), None, Target::AtMost(0.05)),
    row("py.seal.64mib", Measure::Printed("ms"), Some("the same in Rust"), Target::None),
    row("py.encrypt.1m", Measure::Printed("ms"), Some("the same in Rust"), Target::None),
    row("py.verify.100", Measure::Printed("ms"), Some("the same in Rust"), Target::None),
    row("py.preview.1000", Measure::Printed("ms"), Some("the same in Rust"), Target::None),
    row("record.parse.bundle", Measure::Millis, Some("serde_json"), Target::None),
    row("record.digest.bundle", Measure::Millis, None, Target::None),
    row("record.commit.bundle", Measure::Millis, None, Target::None),
    row("zk.prover.vs_ark", Measure::Millis, Some("ark-groth16"), Target::Ratio(1.3)),
    row("zk.prove.identity", Measure::Millis, None, Target::AtMost(160.0)),
    row("zk.prove.record", Measure::Millis, None, Target::None),
    row("zk.prove.statistics.100", Measure::Millis, None, Target::None),
    row("zk.ceremony.contribute.identity", Measure::Millis, None, Target::None),
    row("zk.verify", Measure::Millis, None, Target::AtMost(1.0)),
    row("zk.batch_verify.100", Measure::Millis, Some("one by one"), Target::Ratio(5.0)),
    row("zk.constraints.identity", Measure::Printed("rows"), None, Target::AtMost(4096.0)),
    row("zk.gas", Measure::Printed("gas"), None, Target::None),
];
