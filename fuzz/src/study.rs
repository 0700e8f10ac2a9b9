//! Studies: terms, uploads, answers and certificates of the smallest ring, and the schemas, queries and tables that people
//! write.

use crate::ledger::{EPOCH, must};
use crate::wire::canonical;
use mediveil_codec::Wire;
use mediveil_dp::{Budget, accounting::Cost};
use mediveil_fhe::{Parameters, opening::MemoryStore, testing};
use mediveil_ledger::{Actor, Event, Log};
use mediveil_rng::SeededRng;
use mediveil_study::{
    Asked, Certificate, Commitment, Confirmation, EncryptedAnswer, Evaluation, Manifest, Partial, Plan, Query,
    Registration, Schema, Study, Table, Terms, Upload, Uploads,
};
use std::sync::OnceLock;

const SCHEMA: &str = r#"{"patient":"id","max_rows":20,"columns":[{"kind":"number","name":"age","low":"0","high":"120","cuts":["40","65"],"required":true},{"kind":"category","name":"sex","values":["f","m"]},{"kind":"flag","name":"smoker"}]}"#;
const COUNT: &str = r#"{"statistic":"count","filter":{"not":{"flag":"smoker"}},"epsilon":"0.5"}"#;
const TABLE: &str = "id,age,sex,smoker\na,44,f,1\nb,70,,0\nc,65,m,\n";

/// A study of one site and two members, both of whom are needed, with one answer.
struct World {
    study: Study,
    plan: Plan,
    uploads: Uploads,
    signed: EncryptedAnswer,
    certificate: Vec<u8>,
    seeds: Vec<(&'static str, Vec<u8>)>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut rng = SeededRng::from_u64(12);
        let directory = must(tempfile::tempdir());
        let log = must(Log::create(directory.path().join("log"), &mut rng));
        let mut people = testing::identities(4, &mut rng);
        let (Some(site), Some(operator)) = (people.pop(), people.pop()) else { panic!("four people") };
        let terms = Terms {
            title: "fuzz".into(),
            schema: must(Schema::from_json(SCHEMA)),
            sites: vec![site.public().clone()],
            members: people.iter().map(|m| m.public().clone()).collect(),
            needed: 2,
            depth: 1,
            cap: Cost::Pure(must("1".parse())),
            operator: operator.public().clone(),
            evaluators: vec![operator.public().clone()],
            log: log.id(),
            parameters: must(Parameters::insecure_for_tests(8, 30, 5)),
        };
        let (key, members) = testing::ceremony(&must(terms.committee()), people, &mut rng);
        let study = must(Study::new(terms, key));
        let budget = must(Budget::create(&log, study.terms().budget(), Actor::SYSTEM, EPOCH));
        let table = must(Table::from_csv(TABLE.as_bytes(), study.schema()));
        let mut blocks = Vec::new();
        let manifest = must(study.encrypt(&table, &site, &mut blocks, &mut rng, &mut |_, _| ()));
        let commitment = Commitment::new(&manifest, &site);
        must(study.commit(&log, &commitment, EPOCH));
        let uploads = must(study.accept(&log, vec![Upload::in_memory(manifest.clone(), blocks)]));
        let plan = must(study.plan(&must(Query::from_json(COUNT))));
        let Asked::Registered(registered) = must(study.register(&budget, &plan, &uploads, &[1, 2], EPOCH)) else {
            panic!("answered before it was asked")
        };
        let Event::Committee { body: registration, .. } = must(must(log.entry(registered.place())).entry()).event
        else {
            panic!("a query is an event of a committee")
        };
        let partial = must(study.evaluate_blocks(&plan, &uploads, 0..uploads.blocks(), &|_, _| ()));
        let signed = must(must(study.complete(&plan, &uploads, &partial)).sign(&study, &operator));
        let part = |(share, identity): &(_, _)| {
            let (how, store) = (Evaluation::Trusted(&signed), &mut MemoryStore::new());
            must(study.approve(&budget, &plan, &uploads, how, share, identity, store, &mut SeededRng::from_u64(13)))
        };
        let parts: Vec<_> = members.iter().map(part).collect();
        let certificate = must(study.release(&budget, &plan, &uploads, &signed, &parts, &operator, EPOCH)).encode();
        let confirmation =
            members.iter().map(|(_, identity)| must(Confirmation::new(&study, identity)).encode()).next();
        let seeds = vec![
            ("terms", study.terms().encode()),
            ("confirmation", confirmation.unwrap_or_default()),
            ("manifest", manifest.encode()),
            ("commitment", commitment.encode()),
            ("registration", registration),
            ("partial", partial.encode()),
            ("answer", signed.encode()),
            ("certificate", certificate.clone()),
            ("schema", SCHEMA.into()),
            ("query", COUNT.into()),
            ("table", TABLE.into()),
        ];
        World { study, plan, uploads, signed, certificate, seeds }
    })
}

/// Valid objects and texts, by name.
#[must_use]
pub fn study_seeds() -> Vec<(&'static str, Vec<u8>)> {
    world().seeds.clone()
}

/// Any bytes are refused or are the one encoding of a value; a changed answer is not the evaluator's, and a changed
/// certificate does not verify; whatever is read as a schema, a query or a table is one.
pub fn study(data: &[u8]) {
    let world = world();
    canonical::<Terms>(data);
    canonical::<Confirmation>(data);
    canonical::<Manifest>(data);
    canonical::<Commitment>(data);
    canonical::<Registration>(data);
    if let Ok(partial) = Partial::decode(data) {
        assert!(partial.encode() == data, "a partial result has two encodings");
        let _ = world.study.complete(&world.plan, &world.uploads, &partial);
        let _ = partial.clone().merge(&partial, &world.study);
    }
    if let Ok(answer) = EncryptedAnswer::decode(data) {
        assert!(answer.encode() == data, "an answer has two encodings");
        if answer.check_evaluator(&world.study).is_ok() {
            assert!(answer.is_same(&world.signed), "an answer was changed under its signature");
        }
    }
    if let Ok(certificate) = Certificate::decode(data) {
        assert!(certificate.encode() == data, "a certificate has two encodings");
        let _ = certificate.verify(&world.study);
    }
    changed(world, data);
    if let Ok(text) = std::str::from_utf8(data) {
        texts(world, text);
    }
}

/// The input as changes to the certificate: a place and a mask each.
fn changed(world: &World, data: &[u8]) {
    let mut bytes = world.certificate.clone();
    for change in data.as_chunks::<3>().0.iter().take(4) {
        let [high, low, mask] = *change;
        let at = usize::from(u16::from_be_bytes([high, low])) % bytes.len();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= mask;
        }
    }
    if bytes != world.certificate {
        let holds = Certificate::decode(&bytes).is_ok_and(|c| c.verify(&world.study).is_ok());
        assert!(!holds, "a changed certificate holds");
    }
}

fn texts(world: &World, text: &str) {
    if let Ok(schema) = Schema::from_json(text) {
        assert!(
            Schema::from_json(&schema.to_json()).is_ok_and(|again| again == schema),
            "a schema changes when written"
        );
        assert!(schema.lanes().len() <= Schema::MAX_LANES, "a schema of too many lanes");
    }
    if let Ok(query) = Query::from_json(text)
        && let Ok(plan) = world.study.plan(&query)
    {
        let again = Query::from_json(&plan.query().to_json()).map(|q| world.study.plan(&q));
        assert!(again.is_ok_and(|p| p.is_ok_and(|p| p.query() == plan.query())), "a planned query has two forms");
    }
    if let Ok(table) = Table::from_csv(text.as_bytes(), world.study.schema()) {
        assert!(table.rows() <= world.study.schema().max_rows(), "a table of too many rows");
    }
}
