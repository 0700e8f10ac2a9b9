"""From a table to a noisy mean with its interval, and what is left of the budget."""

import io
import sys

import pandas as pd

import mediveil as mv

patients = pd.read_csv(io.StringIO(mv.sample_cohort(1000, seed=7)))
schema = mv.Schema("patient_id", {"hba1c": (3, 20, 1), "sex": ["female", "male"]}, max_rows=1000)
log = sys.argv[1] if len(sys.argv) > 1 else "study.log"
budget = mv.Budget.create(log, "diabetes", schema, epsilon=1)
mean = budget.ask(mv.Query.mean("hba1c", where={"sex": "female"}), mv.Table(patients, schema), epsilon="0.4")
print(f"{mean.value:.2f} %, between {mean.low:.2f} and {mean.high:.2f}; left: {budget.remaining}")
