//! Rows from Parquet files.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_study::{Schema, Table, TableError};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::sync::Arc;

const SCHEMA: &str = r#"{"patient": "id", "max_rows": 10, "columns": [
    {"kind": "number", "name": "hba1c", "low": "-5", "high": "20", "scale": 2},
    {"kind": "number", "name": "weight", "low": "-3", "high": "300", "scale": 1},
    {"kind": "number", "name": "age", "field": "born", "age_at": "2026-01-01", "low": "0", "high": "120"},
    {"kind": "category", "name": "sex", "values": ["female", "male"], "required": true},
    {"kind": "flag", "name": "smoker"}]}"#;

const MESSAGE: &str = "message rows {
    required int64 id;
    required binary unused (UTF8);
    optional double hba1c;
    optional int32 weight (DECIMAL(9, 1));
    optional int32 born (DATE);
    required binary sex (UTF8);
    optional boolean smoker;
    required int64 seen (TIMESTAMP(NANOS, true));
}";

/// Three rows; the second has nulls.
fn file(compression: Compression, hba1c: &[f64]) -> File {
    let file = tempfile::tempfile().unwrap();
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let message = Arc::new(parse_message_type(MESSAGE).unwrap());
    let mut writer = SerializedFileWriter::new(file.try_clone().unwrap(), message, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let some = Some(&[1i16, 0, 1][..]);
    let text = |all: &[&str]| all.iter().map(|s| ByteArray::from(*s)).collect::<Vec<_>>();
    macro_rules! column {
        ($kind:ty, $values:expr, $present:expr) => {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<$kind>().write_batch($values, $present, None).unwrap();
            column.close().unwrap();
        };
    }
    column!(Int64Type, &[7, 8, 9], None);
    column!(ByteArrayType, &text(&["x", "y", "z"]), None);
    column!(DoubleType, hba1c, some);
    column!(Int32Type, &[805, -21], some);
    // 1960-06-30 and 2000-01-02.
    column!(Int32Type, &[-3472, 10958], some);
    column!(ByteArrayType, &text(&["male", "female", "female"]), None);
    column!(BoolType, &[true, false], some);
    column!(Int64Type, &[0, 1, 2], None);
    group.close().unwrap();
    writer.close().unwrap();
    file
}

#[test]
fn parquet_and_csv_give_the_same_rows() {
    let schema = Schema::from_json(SCHEMA).unwrap();
    let csv = "id,hba1c,weight,born,sex,smoker\n7,7.13,80.5,1960-06-30,male,1\n8,,,,female,\n9,-0.005,-2.1,2000-01-02,female,0\n";
    let expected = Table::from_csv(csv.as_bytes(), &schema).unwrap();
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let table = Table::from_parquet(file(compression, &[7.13, -0.005]), &schema).unwrap();
        assert_eq!(table.rows(), 3);
        for row in 0..3 {
            for column in 0..5 {
                assert_eq!(table.value(column, row), expected.value(column, row), "row {row}, column {column}");
            }
        }
        assert_eq!(table.value(0, 2), Some(-1));
        assert_eq!(table.value(2, 0), Some(65));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let schema = Schema::from_json(SCHEMA).unwrap();
    let read = |file| Table::from_parquet(file, &schema).unwrap_err();
    for (value, why) in [(f64::NAN, "decimal"), (f64::INFINITY, "decimal"), (20.01, "outside")] {
        let refused = read(file(Compression::SNAPPY, &[7.0, value]));
        let TableError::Value { row: 3, column, why: said } = refused else { panic!("{refused}") };
        assert!(column == "hba1c" && said.contains(why), "{said}");
    }
    // An exponent is no way round: the number is written out.
    let Err(TableError::Value { why, .. }) = Table::from_parquet(file(Compression::SNAPPY, &[1e300, 1e-300]), &schema)
    else {
        panic!()
    };
    assert!(why.contains("outside"));
    let other = Schema::from_json(&SCHEMA.replace("\"smoker\"", "\"drinker\"")).unwrap();
    let refused = Table::from_parquet(file(Compression::SNAPPY, &[7.0, 8.0]), &other);
    assert!(matches!(refused, Err(TableError::NoColumn(name)) if name == "drinker"));
    // A type that has no text: the id as a date would be one, a boolean as a number is none.
    let mixed = Schema::from_json(&SCHEMA.replace("\"field\": \"born\", ", "\"field\": \"smoker\", ")).unwrap();
    assert!(matches!(
        Table::from_parquet(file(Compression::SNAPPY, &[7.0, 8.0]), &mixed),
        Err(TableError::Value { row: 1, .. })
    ));
    // Nanoseconds since 1970 are no number of years.
    let seen = Schema::from_json(&SCHEMA.replace("\"name\": \"weight\"", "\"name\": \"weight\", \"field\": \"seen\""))
        .unwrap();
    assert!(matches!(
        Table::from_parquet(file(Compression::SNAPPY, &[7.0, 8.0]), &seen),
        Err(TableError::Value { column, .. }) if column == "seen"
    ));
    let mut broken = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut broken, b"PAR1, or so it says, but it is notPAR1").unwrap();
    assert!(matches!(read(broken), TableError::Read(_)));
    assert!(matches!(read(tempfile::tempfile().unwrap()), TableError::Read(_)));
}
