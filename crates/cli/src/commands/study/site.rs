//! `study encrypt` and `study submit`: what a site does.

use crate::commands::study::Folder;
use crate::failure::{Failure, Kind};
use crate::files::{PassphraseSource, bundles, read_identity};
use crate::global::Global;
use crate::text::hex;
use clap::{ArgGroup, Args};
use mediveil_record::{Limits, Record};
use mediveil_seal::AtomicFile;
use mediveil_study::{Commitment, Layout, Manifest, Schema, Study, Table, Upload, UploadError, Uploads};
use serde_json::json;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// `study encrypt`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rows").required(true).args(["csv", "parquet", "fhir"]))]
pub(crate) struct Encrypt {
    /// The study's directory
    directory: PathBuf,
    /// The site's rows as CSV with a heading; an empty field is a missing value
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The site's rows as Apache Parquet, uncompressed or with Snappy; null is a missing value
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// The site's rows as a folder of FHIR R4 bundles (*.json), each of one patient
    #[arg(long, value_name = "DIR")]
    fhir: Option<PathBuf>,
    /// The site's identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// Where the ciphertexts go; the manifest goes to the same name with .manifest. Keep both until all have committed
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

#[cfg(feature = "parquet")]
fn parquet(path: &Path, schema: &Schema) -> Result<Table, Failure> {
    let file = File::open(path).map_err(|e| Failure::from(e).at(path))?;
    Table::from_parquet(file, schema).map_err(|e| Failure::from(e).at(path))
}

#[cfg(not(feature = "parquet"))]
fn parquet(path: &Path, _schema: &Schema) -> Result<Table, Failure> {
    Err(Failure::usage("this build has no feature `parquet`; give the rows as CSV").at(path))
}

impl Encrypt {
    fn table(&self, schema: &Schema) -> Result<Table, Failure> {
        if let Some(path) = &self.csv {
            let file = File::open(path).map_err(|e| Failure::from(e).at(path))?;
            return Table::from_csv(file, schema).map_err(|e| Failure::from(e).at(path));
        }
        if let Some(path) = &self.parquet {
            return parquet(path, schema);
        }
        let mut table = Table::new(schema);
        for path in bundles(self.fhir.as_deref().unwrap_or(Path::new(".")))? {
            let bytes = std::fs::read(&path).map_err(|e| Failure::from(e).at(&path))?;
            let record = Record::parse(&bytes, &Limits::default());
            let record = record.map_err(|e| Failure::new(Kind::Damaged, e.to_string()).at(&path))?;
            table.push_record(&record).map_err(|e| Failure::from(e).at(&path))?;
        }
        Ok(table)
    }

    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let folder = Folder::new(&self.directory);
        let (study, budget) = folder.open(true)?;
        let identity = read_identity(&self.identity, &PassphraseSource::default())?;
        let site = study.terms().site(identity.public()).ok_or(UploadError::NotASite)?;
        let committed = match study.committed(budget.log()) {
            Err(UploadError::Uncommitted { sites }) => !sites.contains(&site),
            other => other.map(|_| true)?,
        };
        if committed {
            return Err(UploadError::Duplicate { site }.into());
        }
        let table = self.table(study.schema())?;
        let at = |e: std::io::Error| Failure::from(e).at(&self.out);
        let out = AtomicFile::options().keep_existing(true).create(&self.out).map_err(at)?;
        let mut out = BufWriter::with_capacity(1 << 20, out);
        let manifest = study.encrypt(&table, &identity, &mut out, &mut mediveil_rng::system(), &mut |_, _| ())?;
        let out = out.into_inner().map_err(|e| at(e.into_error()))?;
        // The files first: what the log promises must exist. A manifest without its ciphertexts is of no use to anybody.
        Folder::write(&Layout::manifest(&self.out), &manifest)?;
        out.commit().map_err(at)?;
        let entry = study.commit(budget.log(), &Commitment::new(&manifest, &identity), global.now())?;
        let json = json!({
            "rows": table.rows(), "blocks": manifest.blocks(), "bytes": manifest.bytes(),
            "upload": hex(&manifest.digest()), "entry": entry,
        });
        let text = format!(
            "{}: {} rows encrypted in {} bytes, committed as entry {entry} of the log",
            self.out.display(),
            table.rows(),
            manifest.bytes()
        );
        global.report(false, &json, &text);
        Ok(())
    }
}

/// `study submit`.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The study's directory
    directory: PathBuf,
    /// The ciphertexts of `study encrypt`
    upload: PathBuf,
}

impl Submit {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let folder = Folder::new(&self.directory);
        let (study, budget) = folder.open(false)?;
        let manifest: Manifest = Folder::read(&Layout::manifest(&self.upload))?;
        study.admit(budget.log(), &manifest)?;
        let target = folder.layout().upload(manifest.site());
        let parent = target.parent().unwrap_or(&self.directory);
        std::fs::create_dir_all(parent).map_err(|e| Failure::from(e).at(parent))?;
        if target.exists() {
            return Err(Failure::new(Kind::Refused, "exists: the site has submitted already").at(&target));
        }
        let mut source = File::open(&self.upload).map_err(|e| Failure::from(e).at(&self.upload))?;
        let at = |e: std::io::Error| Failure::from(e).at(&target);
        let mut out = AtomicFile::options().keep_existing(true).create(&target).map_err(at)?;
        std::io::copy(&mut source, &mut out).map_err(at)?;
        Folder::write(&Layout::manifest(&target), &manifest)?;
        out.commit().map_err(at)?;
        let json = json!({ "site": manifest.site(), "blocks": manifest.blocks(), "bytes": manifest.bytes() });
        let text = format!("{}: the rows of site {}, encrypted", target.display(), manifest.site());
        global.report(false, &json, &text);
        Ok(())
    }
}

/// What all sites have submitted.
pub(crate) fn uploads(folder: &Folder, study: &Study, log: &mediveil_ledger::Log) -> Result<Uploads, Failure> {
    let mut all = Vec::new();
    for site in (0u32..).take(study.terms().sites.len()) {
        let path = folder.layout().upload(site);
        if !path.exists() {
            let why = format!("site {site} has not submitted its rows yet");
            return Err(Failure::new(Kind::Refused, why));
        }
        all.push(Upload::in_file(Folder::read(&Layout::manifest(&path))?, path));
    }
    Ok(study.accept(log, all)?)
}
