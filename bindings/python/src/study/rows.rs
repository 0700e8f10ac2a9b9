//! A site's rows out of everything that Python calls a table.

use super::values::StudySchema;
use crate::fail::fail;
use crate::record::Record;
use mediveil_record::{Limits, Record as CoreRecord};
use mediveil_study::{Cells, Column, Schema, Table, Values};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use std::collections::BTreeSet;

/// Bundles, CSV, or columns, by what `_study.rows` makes of them.
pub fn table(data: &Bound<'_, PyAny>, schema: &Schema) -> PyResult<Table> {
    let py = data.py();
    if data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>() {
        return bundles(data, schema);
    }
    let mut wanted = BTreeSet::from([schema.patient()]);
    wanted.extend(schema.columns().iter().map(Column::field));
    let wanted: Vec<_> = wanted.into_iter().collect();
    let rows = py.import("mediveil._study")?.getattr("rows")?.call1((data, wanted))?;
    if let Ok(csv) = rows.cast::<PyBytes>() {
        let csv = csv.as_bytes();
        return py.detach(|| Table::from_csv(csv, schema)).map_err(fail);
    }
    let columns = rows.try_iter()?.map(|column| cells(&column?)).collect::<PyResult<Vec<_>>>()?;
    py.detach(|| Table::from_columns(&columns, schema)).map_err(fail)
}

fn bundles(data: &Bound<'_, PyAny>, schema: &Schema) -> PyResult<Table> {
    let mut table = Table::new(schema);
    for bundle in data.try_iter()? {
        let bundle = bundle?;
        if let Ok(record) = bundle.cast::<Record>() {
            table.push_record(&record.get().0).map_err(fail)?;
            continue;
        }
        let bytes = crate::data::text_or_bytes(&bundle)?;
        let record = CoreRecord::parse(&bytes, &Limits::default()).map_err(fail)?;
        table.push_record(&record).map_err(fail)?;
    }
    Ok(table)
}

/// A copy of one of the columns that `_tables.columns` makes: its name, its kind, its values, and where there are any.
fn cells(column: &Bound<'_, PyAny>) -> PyResult<Cells<'static>> {
    let py = column.py();
    let (name, kind, values, known): (String, String, Bound<'_, PyAny>, Option<Bound<'_, PyAny>>) = column.extract()?;
    let integers = |values: &Bound<'_, PyAny>| PyBuffer::<i64>::get(values)?.to_vec(py);
    let flags = |values: &Bound<'_, PyAny>| -> PyResult<Vec<bool>> {
        Ok(PyBuffer::<u8>::get(values)?.to_vec(py)?.into_iter().map(|byte| byte != 0).collect())
    };
    let known = known.as_ref().map(flags).transpose()?;
    let values = match kind.as_str() {
        "texts" => Values::Texts(values.extract::<Vec<Option<String>>>()?.into()),
        "integers" => Values::Integers(integers(&values)?.into()),
        "flags" => Values::Flags(flags(&values)?.into()),
        "codes" => {
            let (codes, texts): (Bound<'_, PyAny>, Vec<Option<String>>) = values.extract()?;
            Values::Codes(integers(&codes)?.into(), texts.into())
        }
        "floats" => {
            let floats = PyBuffer::<f64>::get(&values)?.to_vec(py)?;
            let there = |row: usize| known.as_ref().is_none_or(|known| known.get(row).copied().unwrap_or(false));
            if floats.iter().enumerate().any(|(row, number)| number.is_infinite() && there(row)) {
                return Err(PyValueError::new_err("an infinite number in the table"));
            }
            Values::Floats(floats.into())
        }
        other => return Err(PyTypeError::new_err(format!("there are no columns of {other}"))),
    };
    Ok(Cells { name: name.into(), values, known: known.map(Into::into) })
}

/// What `Study.encrypt` makes of a table, for the tests: for each column of the schema its grid steps, places and flags.
#[pyfunction]
pub fn _rows(data: &Bound<'_, PyAny>, schema: &StudySchema) -> PyResult<Vec<Vec<Option<i64>>>> {
    let table = table(data, &schema.0)?;
    let columns = 0..schema.0.columns().len();
    Ok(columns.map(|column| (0..table.rows()).map(|row| table.value(column, row)).collect()).collect())
}
