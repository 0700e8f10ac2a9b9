# %% [markdown]
# # Scale-out
#
# A study's server computes on ciphertexts and sees nothing, so its work can be spread over machines that nobody has to trust
# with data. Here two workers of a `dask.distributed` cluster on this machine evaluate one shard after another; shards are
# bytes, and they add up to the same encrypted answer whoever made them. Each member of the committee compares that answer
# with its own evaluation, or takes it on the signature of an evaluator that the study names, as here. Nothing here has been
# audited.

# %%
import io
import tempfile
from pathlib import Path

import pandas as pd
from distributed import Client
from distributed.deploy.subprocess import SubprocessCluster

import mediveil as mv

home = Path(tempfile.mkdtemp())
rows = pd.read_csv(io.StringIO(mv.sample_cohort(24_000, seed=7)))
sites = {name: rows[rows["site"] == name] for name in sorted(rows["site"].unique())}
print(len(rows), "rows at", len(sites), "sites")

# %% [markdown]
# ## The study
#
# Bounds, cut points and the budget are agreed before anybody encrypts. Two of three members open an answer.

# %%
schema = mv.StudySchema(
    "patient_id",
    {
        "systolic": {"field": "systolic_bp", "low": 60, "high": 260, "cuts": [120, 140, 160]},
        "sex": {"values": ["female", "male"], "required": True},
    },
    max_rows=len(rows),
)
people = {name: mv.Identity.generate(hybrid=False) for name in [*sites, "operator", "server", "m1", "m2", "m3"]}
members = [people[name] for name in ("m1", "m2", "m3")]
study = mv.Study.init(
    home / "study",
    schema,
    sites=[people[name].public for name in sites],
    members=[member.public for member in members],
    needed=2,
    depth=0,
    operator=people["operator"].public,
    evaluators=[people["server"].public],
    epsilon=1,
)
shares = mv.make_study_key(study, members)
for name, table in sites.items():
    study.encrypt(table, people[name], home / f"{name}.rows")
for name in sites:
    study.submit(home / f"{name}.rows")
study

# %%
plan = study.plan(mv.StudyQuery.histogram("systolic"), epsilon="0.5")
plan

# %% [markdown]
# ## Shards on workers
#
# The debit comes first. A worker needs the study's directory and the question; a study is pickled as its path.

# %%
study.register(plan, [1, 3])


def shard(study: mv.Study, query: mv.StudyQuery, block: int) -> bytes:
    """One block of encrypted rows, evaluated wherever this runs."""
    return study.shard(study.plan(query), block, block + 1)


with SubprocessCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
    with Client(cluster) as client:
        count = study.blocks
        futures = client.map(shard, [study] * count, [plan.query] * count, range(count), pure=False)
        shards = client.gather(futures)
        workers = len({worker for where in client.who_has(futures).values() for worker in where})
print(len(shards), "shards of", len(shards[0]), "bytes from", workers, "workers")

# %% [markdown]
# ## One answer
#
# The server adds the shards up and signs; the quorum opens; everybody can check the certificate.

# %%
study.evaluate(plan, quorum=[1, 3], shards=shards, sign=people["server"])
for number in (1, 3):
    store = home / f"store-{number}"
    study.approve(plan, members[number - 1], shares[number - 1], store=store, trust_evaluator=True)
released = study.release(plan, people["operator"]).verify(study)
released

# %%
bins = pd.cut(rows["systolic_bp"], [0, 119.5, 139.5, 159.5, 1000])
shown = released.answer.to_pandas().assign(true=bins.value_counts(sort=False).to_list())
print(shown.to_string())
print("left of the budget:", study.budget.remaining)
print(f"{study.log_file.verify()['size']} entries verify")
