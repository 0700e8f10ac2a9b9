//! Statistics under a budget: schemas, queries, tables and the budget's own entries.

use crate::wire::canonical;
use mediveil_dp::{Answer, Debit, Epsilon, Price, Query, Quota, Schema, Settlement, Table, Terms};

/// The schema that queries are planned against.
pub const SCHEMA: &str = r#"{"patient":"id","rows_per_patient":2,"max_rows":1000,"columns":[
    {"kind":"number","name":"age","low":"0","high":"120"},
    {"kind":"number","name":"hba1c","low":"3.0","high":"15.0","scale":1},
    {"kind":"category","name":"sex","values":["f","m"]},
    {"kind":"text","name":"code"}]}"#;

/// The input is a schema, a query, a table and every wire type; each is refused, or does what it promises.
pub fn budget(data: &[u8]) {
    canonical::<Terms>(data);
    canonical::<Quota>(data);
    canonical::<Debit>(data);
    canonical::<Settlement>(data);
    canonical::<Answer>(data);
    let Ok(schema) = Schema::from_json(SCHEMA) else { panic!("the schema is a schema") };
    // A table is read whole or refused by its line.
    let table = Table::from_csv(data, &schema);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(own) = Schema::from_json(text) {
        match Schema::from_json(&own.to_json()) {
            Ok(again) => assert!(again == own && again.digest() == own.digest(), "a schema is written as another"),
            Err(e) => panic!("a schema that was written is refused: {e}"),
        }
    }
    let Ok(query) = Query::from_json(text) else { return };
    let Ok(epsilon) = "0.5".parse::<Epsilon>() else { panic!("half is an epsilon") };
    let plan = query.plan(&schema, 1, Price::Epsilon(epsilon));
    let again = query.plan(&schema, 1, Price::Epsilon(epsilon));
    match (&plan, &again) {
        (Ok(one), Ok(other)) => assert!(one.mechanisms() == other.mechanisms(), "one query has two plans"),
        (Err(one), Err(other)) => assert_eq!(one, other),
        _ => panic!("planning is not a function"),
    }
    let _ = (plan, table);
}
