//! A whole study in one process, in a ring that hides nothing.
#![allow(dead_code, clippy::too_many_arguments, reason = "each test file uses a part")]

use mediveil_codec::Timestamp;
use mediveil_dp::Budget;
use mediveil_dp::accounting::Cost;
use mediveil_fhe::opening::{Epoch, MemoryStore, Opening, PartialDecryption, PartialStore, Request, combine};
use mediveil_fhe::{MemberKey, Parameters, testing};
use mediveil_ledger::{Actor, Log};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::Identity;
use mediveil_study::*;

pub(crate) struct World {
    pub(crate) study: Study,
    pub(crate) log: Log,
    pub(crate) budget: Budget,
    pub(crate) sites: Vec<Identity>,
    pub(crate) members: Vec<(MemberKey, Identity)>,
    pub(crate) operator: Identity,
    pub(crate) evaluator: Identity,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn now() -> Timestamp {
    "2027-01-31T08:00:00Z".parse().unwrap()
}

pub(crate) fn rng(seed: u64) -> SeededRng {
    SeededRng::from_u64(seed)
}

pub(crate) fn nothing() -> Progress<'static> {
    &|_, _| ()
}

pub(crate) const SCHEMA: &str = r#"{"patient": "id", "max_rows": 200, "columns": [
    {"kind": "number", "name": "hba1c", "low": "3", "high": "20", "scale": 1, "cuts": ["5.7", "6.5", "9"]},
    {"kind": "number", "name": "age", "low": "0", "high": "120", "cuts": ["40", "65"], "required": true},
    {"kind": "category", "name": "sex", "values": ["female", "male"]},
    {"kind": "flag", "name": "diabetes"},
    {"kind": "flag", "name": "smoker", "required": true}]}"#;

pub(crate) fn table(schema: &Schema, site: u64, rows: u64) -> Table {
    let mut csv = String::from("id,hba1c,age,sex,diabetes,smoker\n");
    for r in 0..rows {
        let n = r * 7 + site * 3;
        let hba1c = if n.is_multiple_of(5) { String::new() } else { format!("{}.{}", 4 + n % 9, n % 10) };
        let sex = ["female", "male", ""][(n % 3) as usize];
        let diabetes = ["0", "1", "1", ""][(n % 4) as usize];
        csv += &format!("{site}-{r},{hba1c},{},{sex},{diabetes},{}\n", 20 + n % 80, n % 2);
    }
    Table::from_csv(csv.as_bytes(), schema).unwrap()
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, SCHEMA, 2, 5, 3, 3, Cost::Pure("100".parse().unwrap()))
    }

    pub(crate) fn with(seed: u64, schema: &str, sites: u32, members: u32, needed: u32, depth: u32, cap: Cost) -> Self {
        let mut rng = rng(seed);
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(folder.path().join("log"), &mut rng).unwrap();
        let mut identities = testing::identities(members + sites + 2, &mut rng);
        let (operator, evaluator) = (identities.pop().unwrap(), identities.pop().unwrap());
        let sites = identities.split_off(members as usize);
        let public = |all: &[Identity]| all.iter().map(|i| i.public().clone()).collect::<Vec<_>>();
        let terms = Terms {
            title: "test".into(),
            schema: Schema::from_json(schema).unwrap(),
            sites: public(&sites),
            members: public(&identities),
            needed,
            depth,
            cap,
            operator: operator.public().clone(),
            evaluators: vec![evaluator.public().clone()],
            log: log.id(),
            parameters: Parameters::insecure_for_tests(64, 40, 8).unwrap(),
        };
        let (key, members) = testing::ceremony(&terms.committee().unwrap(), identities, &mut rng);
        let study = Study::new(terms, key).unwrap();
        let budget = Budget::create(&log, study.terms().budget(), Actor::SYSTEM, now()).unwrap();
        Self { study, log, budget, sites, members, operator, evaluator, folder }
    }

    pub(crate) fn upload(&self, site: usize, table: &Table, seed: u64) -> Upload {
        let mut blocks = Vec::new();
        let manifest =
            self.study.encrypt(table, &self.sites[site], &mut blocks, &mut rng(seed), &mut |_, _| ()).unwrap();
        Upload::in_memory(manifest, blocks)
    }

    pub(crate) fn commit(&self, site: usize, upload: &Upload) {
        self.study.commit(&self.log, &Commitment::new(upload.manifest(), &self.sites[site]), now()).unwrap();
    }

    /// Every site uploads its table.
    pub(crate) fn uploads(&self, tables: &[Table]) -> Uploads {
        let uploads: Vec<Upload> = (0..).zip(tables).map(|(s, t)| self.upload(s, t, 50 + s as u64)).collect();
        uploads.iter().enumerate().for_each(|(s, u)| self.commit(s, u));
        self.study.accept(&self.log, uploads).unwrap()
    }

    pub(crate) fn usual(&self) -> Uploads {
        let tables: Vec<Table> = (0..self.sites.len()).map(|s| table(self.study.schema(), s as u64, 70)).collect();
        self.uploads(&tables)
    }

    pub(crate) fn plan(&self, query: &str) -> Plan {
        self.study.plan(&Query::from_json(query).unwrap()).unwrap()
    }

    pub(crate) fn register(&self, plan: &Plan, uploads: &Uploads, quorum: &[u32]) -> Registered {
        match self.study.register(&self.budget, plan, uploads, quorum, now()).unwrap() {
            Asked::Registered(registered) => registered,
            Asked::Answered(_) => panic!("answered before"),
        }
    }

    pub(crate) fn approve_in(
        &self,
        member: u32,
        plan: &Plan,
        uploads: &Uploads,
        shown: Option<&EncryptedAnswer>,
        store: &mut dyn PartialStore,
        seed: u64,
    ) -> Result<PartialDecryption, ReleaseError> {
        let (share, identity) = &self.members[member as usize - 1];
        let own = Evaluation::Own { shown, progress: nothing() };
        self.study.approve(&self.budget, plan, uploads, own, share, identity, store, &mut rng(seed))
    }

    pub(crate) fn approve(&self, member: u32, plan: &Plan, uploads: &Uploads) -> PartialDecryption {
        self.approve_in(member, plan, uploads, None, &mut MemoryStore::new(), u64::from(member)).unwrap()
    }

    /// A query from plan to certificate.
    pub(crate) fn answer(&self, query: &str, uploads: &Uploads, quorum: &[u32]) -> Certificate {
        let plan = self.plan(query);
        self.register(&plan, uploads, quorum);
        let answer = self.study.evaluate(&plan, uploads, nothing()).unwrap();
        let parts: Vec<_> = quorum.iter().map(|m| self.approve(*m, &plan, uploads)).collect();
        self.study.release(&self.budget, &plan, uploads, &answer, &parts, &self.operator, now()).unwrap()
    }

    /// What the ciphertexts hold, without noise: goes round every check of this crate, with the members' own shares.
    pub(crate) fn exact(&self, answer: &EncryptedAnswer) -> Vec<i64> {
        let needed = self.study.terms().needed;
        let epoch = Epoch::new(self.study.key(), 1, &(1..=needed).collect::<Vec<_>>()).unwrap();
        let cells = answer.ciphertexts(&self.study).unwrap();
        let request = Request::new(self.study.key(), &epoch, [1; 32], cells, Opening::SlotSum).unwrap();
        let parts: Vec<_> = self.members[..needed as usize]
            .iter()
            .map(|(m, id)| m.decrypt(&request, id, |n| Ok(vec![0; n]), &mut MemoryStore::new(), &mut rng(9)).unwrap())
            .collect();
        combine(&request, &parts).unwrap()
    }
}
