# %% [markdown]
# # A researcher's half hour
#
# Two public data sets of scikit-learn, diabetes and breast cancer, lie at three simulated sites. The sites encrypt their rows
# for a committee of three, of which any two open an answer, and only as a noisy total: nobody ever sees a row, a site's own
# total, or an exact figure. A researcher asks five questions within a budget and compares the answers with the truth, which
# only this notebook knows. Then the sites train one model together, and a patient has values scored that stay encrypted.
#
# Everybody is in this process here, so here nothing is hidden from anybody. In earnest they are different machines that share
# one directory in which nothing is secret; the commands `mediveil study` and `federate` work on the same files.
#
# | who | holds | learns |
# |---|---|---|
# | a site | its own rows, its identity | what is released |
# | a member | a share of the key, a store of what it answered | what is released; with one more member it could open all |
# | the server | the directory: ciphertexts and the log | what is released |
# | the researcher | nothing | what is released |
#
# Sites are believed about their own values. Nothing here has been audited.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import mediveil as mv

home = Path(tempfile.mkdtemp())
sites = {name: mv.Identity.generate(hybrid=False) for name in ("north", "south", "west")}
members = [mv.Identity.generate(hybrid=False) for _ in range(3)]
operator = mv.Identity.generate(hybrid=False)

# %% [markdown]
# ## The data
#
# One row a patient. Bounds, the values at which rows can be told apart, and the greatest number of rows are agreed before
# anybody encrypts: noise depends on these and never on the rows.

# %%
diabetes = load_diabetes(as_frame=True, scaled=False).frame
diabetes = diabetes.rename(columns={"target": "progression"}).assign(patient=[f"d{n}" for n in diabetes.index])
cancer = load_breast_cancer(as_frame=True).frame.rename(columns=lambda name: name.removeprefix("mean "))
cancer = cancer.assign(
    patient=[f"c{n}" for n in cancer.index],
    diagnosis=cancer["target"].map({0: "malignant", 1: "benign"}),
    malignant=cancer["target"] == 0,
)
whole = {"diabetes": diabetes, "cancer": cancer}
columns = {
    "diabetes": {
        "bmi": {"low": 15, "high": 50, "scale": 1, "cuts": [25, 30], "required": True},
        "age": {"low": 18, "high": 90, "cuts": [40, 60], "required": True},
        "progression": {"low": 0, "high": 400, "required": True},
    },
    "cancer": {
        "radius": {"low": 5, "high": 30, "scale": 1, "required": True},
        "diagnosis": {"values": ["malignant", "benign"], "required": True},
    },
}
print({name: len(frame) for name, frame in whole.items()}, "rows at", len(sites), "sites")

# %% [markdown]
# ## Two studies
#
# For each data set the members make a key together, which none of them has; each site encrypts its rows, commits to them in
# the log, and shows them once all have committed. The budget is epsilon 1 for the life of a study.

# %%
studies, teams = {}, {}
for data, frame in whole.items():
    study = mv.Study.init(
        home / data,
        mv.StudySchema("patient", columns[data], max_rows=1000),
        title=data,
        sites=[site.public for site in sites.values()],
        members=[member.public for member in members],
        needed=2,
        depth=1,
        operator=operator.public,
        epsilon=1,
    )
    shares = mv.make_study_key(study, members)
    for number, (name, site) in enumerate(sites.items()):
        made = study.encrypt(frame.iloc[number :: len(sites)], site, home / f"{data}-{name}")
        print(f"{data}, {name}: {made['rows']} rows in {made['bytes'] / 1e6:.0f} MB, entry {made['entry']} of the log")
    for name in sites:
        study.submit(home / f"{data}-{name}")
    studies[data] = study
    # Members 1 and 3 will open; each keeps what it answered in a store of its own.
    teams[data] = {n: (members[n - 1], shares[n - 1], home / f"{data}-store-{n}") for n in (1, 3)}

# %% [markdown]
# ## Five questions
#
# A plan says what a question costs, how large its noise will be, and that nothing overflows, before anything is spent.

# %%
heavy = {"bmi": (30, None)}
questions = [
    ("patients with a BMI of 30 or more", "diabetes", mv.StudyQuery.count(where=heavy), "0.2"),
    ("their mean disease progression", "diabetes", mv.StudyQuery.mean("progression", where=heavy), "0.5"),
    ("patients by age, cut at 40 and 60", "diabetes", mv.StudyQuery.histogram("age"), "0.2"),
    ("tumours by diagnosis", "cancer", mv.StudyQuery.count(by=["diagnosis"]), "0.2"),
    ("mean radius by diagnosis", "cancer", mv.StudyQuery.mean("radius", by=["diagnosis"]), "0.8"),
]
studies["diabetes"].plan(questions[1][2], epsilon="0.5")

# %%
released = []
for title, data, query, epsilon in questions:
    plan = studies[data].plan(query, epsilon=epsilon)
    answer = mv.ask_together(studies[data], plan, teams[data], operator=operator).answer
    wanted = [e for e in answer if "mean" not in title or e.group[-1] == "mean"]
    released += [(title, " ".join(e.group), e.value, e.low, e.high) for e in wanted]
table = pd.DataFrame(released, columns=["question", "figure", "released", "low", "high"])
table.round(1)

# %% [markdown]
# Another question to the diabetes study goes beyond its budget, and is refused before a ciphertext is read. The same question
# as before costs nothing and says the same.

# %%
study, team = studies["diabetes"], teams["diabetes"]
try:
    mv.ask_together(study, study.plan(mv.StudyQuery.sum("age"), epsilon="0.3"), team, operator=operator)
except mv.BudgetError as refusal:
    print("refused:", refusal)
before = study.budget.remaining
mv.ask_together(study, study.plan(questions[0][2], epsilon="0.2"), team, operator=operator)
print("left before and after a repeat:", before, "/", study.budget.remaining)

# %% [markdown]
# ## Released and true

# %%
obese = diabetes[diabetes["bmi"] >= 30]
ages = pd.cut(diabetes["age"], [-1, 39.5, 59.5, 200]).value_counts(sort=False)
by_diagnosis = cancer.groupby("diagnosis")
order = ["malignant", "benign"]
true = [len(obese), obese["progression"].mean(), *ages]
true += [by_diagnosis.size()[name] for name in order]
true += [by_diagnosis["radius"].mean()[name] for name in order]
table = table.assign(true=true)
table["inside"] = (table["low"] <= table["true"]) & (table["true"] <= table["high"])
print(table.round(1).to_string())

# %%
figure, axes = plt.subplots(figsize=(8, 4))
names = [f"{row.question}: {row.figure}" for row in table.itertuples()]
scale = table["true"] / 100
ends = [(table["released"] - table["low"]) / scale, (table["high"] - table["released"]) / scale]
axes.errorbar(table["released"] / scale, names, xerr=ends, fmt="o", capsize=4)
axes.axvline(100, color="grey", linewidth=1)
axes.set_xlabel("released, in per cent of the truth, with the 95 % interval of the noise")
axes.invert_yaxis()
figure.tight_layout()
figure.savefig(home / "released.svg")
figure

# %% [markdown]
# ## One model of three sites
#
# Which tumours are malignant? The sites fit a logistic regression together. In each round every site sums its patients'
# clipped gradients, members add noise, and two of them open the noisy sum, from which anybody computes the next weights. Centres
# and spreads are declared from general knowledge of the quantity, never from the rows: they are public.
#
# A quarter of the rows is kept aside to try the models on. The federation has a budget of its own; what the study has
# told of the same patients adds to it.

# %%
features = {"radius": (14, 4), "texture": (19, 4), "smoothness": (0.1, 0.015), "concave points": (0.05, 0.04)}
aside = cancer.sample(frac=0.25, random_state=1)
training = cancer.drop(aside.index)
federation = mv.Federation.init(
    home / "federation",
    mv.FederatedTask.logistic("malignant", features),
    title="malignant or benign",
    sites=[site.public for site in sites.values()],
    members=[member.public for member in members],
    needed=2,
    operator=operator.public,
    rho="0.5",
    rounds=12,
    clip=1.5,
    max_patients=300,
    least_sites=2,
)
federation

# %%
rows = [training.iloc[number :: len(sites)] for number in range(len(sites))]
fit = mv.fit_together(federation, zip(sites.values(), rows), members, stores=home / "stores", table=aside)
fit

# %% [markdown]
# Beside it the same regression by scikit-learn, for which all rows would have to be in one place.

# %%
columns_of_model = list(features)
pooled = make_pipeline(StandardScaler(), LogisticRegression()).fit(training[columns_of_model], training["malignant"])
best = pooled.score(aside[columns_of_model], aside["malignant"])
accuracy = [score["score"] for score in fit.scores]
print(f"right about rows that no site has: {accuracy[-1]:.1%} federated, {best:.1%} with all rows in one place")
print(f"cost: {fit.cost}; left: {fit.remaining}; a 13th round is not to be had")

# %%
figure, axes = plt.subplots(figsize=(8, 3))
axes.plot(range(1, len(accuracy) + 1), accuracy, "o-", label="released model")
axes.axhline(best, color="grey", linestyle="--", label="all rows in one place")
axes.set_xlabel("round")
axes.set_ylabel("share of right answers")
axes.legend()
figure.tight_layout()
figure.savefig(home / "training.svg")
figure

# %% [markdown]
# ## A patient's values, scored unseen
#
# A small decision tree of scikit-learn becomes a model that answers on encrypted values. The patient keeps the key; the server
# gets one that computes and opens nothing. It sees neither the values nor the answer, and is believed to compute what it was
# asked. The tree is public, and was fitted to rows in the clear.

# %%
simple = cancer[["radius", "texture"]].round().astype(int)
tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(simple, cancer["diagnosis"])
model = mv.Model.from_sklearn(tree, {"radius": (5, 30), "texture": (9, 40)}, name="tumour")
scoring = model.plan()
patient_key, server_key = mv.PatientKey.generate()
patient = {"radius": 18, "texture": 21}
encrypted = patient_key.encrypt(scoring.form, patient)
[result] = mv.score(scoring, [encrypted], key=server_key)
told = patient_key.decrypt(scoring.form, result)
[expected] = tree.predict(pd.DataFrame([patient]))
print(f"scored unseen: {told}; in the clear: {model.answer(patient)}; by scikit-learn: {expected}")

# %% [markdown]
# ## The log
#
# Whoever reads a log can check that no more was spent than is said, and that no entry was changed; a certificate shows its own
# debit and question in the log, from the study's terms and key alone.

# %%
logs: dict[str, mv.Study | mv.Federation] = {**studies, "federation": federation}
for data, logged in logs.items():
    audit = logged.budget.audit()
    found, left = len(audit["findings"]), logged.budget.remaining
    size = logged.log_file.verify()["size"]
    print(f"{data}: {audit['debits']} debits, {found} findings, {left} left; {size} entries verify")
