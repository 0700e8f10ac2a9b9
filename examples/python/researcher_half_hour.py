# %% [markdown]
# # A researcher's half hour
#
# Two public data sets of scikit-learn, diabetes and breast cancer, lie at three simulated sites. Each site keeps its own
# rows, its own budget and its own log; nobody else sees a row. A researcher asks all three the same five questions, adds up
# what they release, and compares it with the truth, which only this notebook knows.
#
# The sites answer in the clear with noise of their own. Studies on encrypted rows, which need less noise because a committee
# opens only the total, are in the Rust library and not yet in Python. Nothing here has been audited.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes

import mediveil as mv

home = Path(tempfile.mkdtemp())
sites = ["north", "south", "west"]

# %% [markdown]
# ## The data
#
# One row a patient. The sites declare bounds and the greatest number of rows before anybody asks: noise depends on these
# and never on the rows.

# %%
diabetes = load_diabetes(as_frame=True, scaled=False).frame
diabetes = diabetes.rename(columns={"target": "progression"}).assign(patient=[f"d{n}" for n in diabetes.index])
cancer = load_breast_cancer(as_frame=True).frame.rename(columns={"mean radius": "radius"})
cancer = cancer.assign(
    patient=[f"c{n}" for n in cancer.index], diagnosis=cancer["target"].map({0: "malignant", 1: "benign"})
)
schemas = {
    "diabetes": mv.Schema("patient", {"bmi": (15, 50, 1), "age": (18, 90), "progression": (0, 400)}, max_rows=1000),
    "cancer": mv.Schema("patient", {"radius": (5, 30, 1), "diagnosis": ["malignant", "benign"]}, max_rows=1000),
}
whole = {"diabetes": diabetes, "cancer": cancer}
print({name: len(frame) for name, frame in whole.items()}, "rows at", len(sites), "sites")


# %% [markdown]
# ## Three sites
#
# Each has a log with a budget for each data set: epsilon 1 for life.

# %%
class Site:
    """A site: its tables, which stay with it, and its budgets."""

    def __init__(self, name: str, number: int) -> None:
        self.log = mv.Log.create(home / f"{name}.log")
        self.tables, self.budgets = {}, {}
        for data, schema in schemas.items():
            rows = whole[data].iloc[number :: len(sites)]
            self.tables[data] = mv.Table(rows, schema)
            self.budgets[data] = mv.Budget.create(self.log, f"{name} {data}", schema, epsilon=1)

    def ask(self, data: str, query: mv.Query, epsilon: str) -> mv.Answer:
        return self.budgets[data].ask(query, self.tables[data], epsilon=epsilon)


network = [Site(name, number) for number, name in enumerate(sites)]

# %% [markdown]
# ## Five questions
#
# Before anything is spent, a preview says what a question costs and how large its noise will be.

# %%
obese = {"bmi": (30, 50)}
questions = [
    ("patients with a BMI of 30 or more", "diabetes", mv.Query.count(where=obese), "0.3"),
    ("their summed disease progression", "diabetes", mv.Query.sum("progression", where=obese), "0.4"),
    ("patients by age, cut at 40 and 60", "diabetes", mv.Query.histogram("age", [40, 60]), "0.2"),
    ("tumours by diagnosis", "cancer", mv.Query.contingency(["diagnosis"]), "0.3"),
    ("summed radius by diagnosis", "cancer", mv.Query.group_sum(["diagnosis"], "radius"), "0.6"),
]
plan = questions[1][2].plan(schemas["diabetes"], epsilon="0.4")
network[0].budgets["diabetes"].preview(plan)

# %%
released = []
for title, data, query, epsilon in questions:
    answers = [list(site.ask(data, query, epsilon)) for site in network]
    for figures in zip(*answers):
        value = sum(figure.value for figure in figures)
        # The sites' noises are independent: their half-widths add up as squares do.
        half = sum(((figure.high - figure.low) / 2) ** 2 for figure in figures) ** 0.5
        released.append((title, " ".join(figures[0].group), value, half))
released_frame = pd.DataFrame(released, columns=["question", "group", "released", "half"])
released_frame.round(1)

# %% [markdown]
# Another question to the diabetes data goes beyond the budget, and is refused before it touches a row. The same question
# as before costs nothing and says the same.

# %%
try:
    network[0].ask("diabetes", mv.Query.mean("age"), "0.3")
except mv.BudgetError as refusal:
    print("refused:", refusal)
before = network[0].budgets["diabetes"].remaining
network[0].ask("diabetes", questions[0][2], "0.3")
print("left before and after a repeat:", before, "/", network[0].budgets["diabetes"].remaining)

# %% [markdown]
# ## Released and true

# %%
heavy = diabetes[diabetes["bmi"] >= 30]
ages = pd.cut(diabetes["age"], [-1, 39.5, 59.5, 200]).value_counts(sort=False)
by_diagnosis = cancer.groupby("diagnosis")
order = ["malignant", "benign"]
true = [len(heavy), heavy["progression"].sum(), *ages]
true += [by_diagnosis.size()[name] for name in order]
true += [by_diagnosis["radius"].sum()[name] for name in order]
table = released_frame.assign(true=true)
table["inside"] = (table["released"] - table["true"]).abs() <= table["half"]
print(table.round(1).to_string())

# %%
figure, axes = plt.subplots(figsize=(8, 4))
names = [f"{row.question} {row.group}".strip() for row in table.itertuples()]
scale = table["true"]
axes.errorbar(100 * table["released"] / scale, names, xerr=100 * table["half"] / scale, fmt="o", capsize=4)
axes.axvline(100, color="grey", linewidth=1)
axes.set_xlabel("released, in per cent of the truth, with the 95 % interval of the noise")
axes.invert_yaxis()
figure.tight_layout()
figure.savefig(home / "released.svg")
figure

# %% [markdown]
# ## The log
#
# Whoever reads a site's log can check that no more was spent than is said, and that no entry was changed.

# %%
for site, name in zip(network, sites):
    audits = [budget.audit() for budget in site.budgets.values()]
    debits, findings = sum(a["debits"] for a in audits), sum(len(a["findings"]) for a in audits)
    print(f"{name}: {debits} debits, {findings} findings; {site.log.verify()['size']} entries verify")
