"""Our reports beside those of Google's dp-accounting, on random plans.

usage: agreement.py REPORT_EPSILON [PLANS [SEED]]

REPORT_EPSILON is the example program of that name. What is checked of each plan, at the same delta:

1. dp-accounting rounds every loss up to a multiple of its discretisation step (its pessimistic estimate) and, if asked, down
   (its optimistic one). The exact epsilon lies between the two, and the distance between them is its own tolerance. Ours
   must not be below the optimistic estimate: that is, never below the pessimistic one by more than the tolerance.
2. Ours must not be more than 0.1 % above the pessimistic estimate.

Both carry an allowance for the rounding of floating point in dp-accounting's transforms, which it does not bound: 1e-6 relative
and 1e-9 absolute. Deltas are 1e-4 to 1e-9, far above those transforms' noise floor of about 1e-13.
"""

import collections
import json
import math
import random
import subprocess
import sys

from dp_accounting.pld import privacy_loss_distribution as pld

FLOAT_RELATIVE, FLOAT_ABSOLUTE = 1e-6, 1e-9
OURS_ABOVE = 1e-3


def random_part(rng):
    kind = rng.choice(["pure", "approximate", "laplace", "gaussian", "discrete_laplace", "discrete_gaussian"])
    times = rng.choice([1, 1, 2, 5, 20])
    size = math.exp(rng.uniform(math.log(0.02), math.log(1.0))) / math.sqrt(times)
    part = {"kind": kind, "times": times}
    if kind == "pure":
        part["epsilon"] = size
    elif kind == "approximate":
        part["epsilon"], part["delta"] = size, rng.choice([1e-11, 1e-12])
    elif kind in ("laplace", "gaussian"):
        part["ratio"] = size
    else:
        shift = rng.choice([1, 2, 7])
        part["shift"] = shift
        part["scale" if kind == "discrete_laplace" else "sigma"] = max(shift / size, 0.5)
    return part


def theirs(part, step, pessimistic):
    options = {"value_discretization_interval": step, "pessimistic_estimate": pessimistic}
    kind = part["kind"]
    if kind in ("pure", "approximate"):
        # from_privacy_parameters rounds up only; the same distribution, rounded either way.
        epsilon, delta = part["epsilon"], part.get("delta", 0.0)
        rounding = math.ceil if pessimistic else math.floor
        masses = collections.defaultdict(float)
        for loss in (epsilon, -epsilon):
            masses[rounding(loss / step)] += (1 - delta) / (1 + math.exp(-loss))
        one = pld.PrivacyLossDistribution.create_from_rounded_probability(
            dict(masses), delta, step, pessimistic_estimate=pessimistic)
    elif kind == "laplace":
        one = pld.from_laplace_mechanism(1.0 / part["ratio"], use_connect_dots=False, **options)
    elif kind == "gaussian":
        one = pld.from_gaussian_mechanism(1.0 / part["ratio"], use_connect_dots=False, **options)
    elif kind == "discrete_laplace":
        one = pld.from_discrete_laplace_mechanism(
            1.0 / part["scale"], sensitivity=part["shift"], use_connect_dots=False, **options)
    else:
        one = pld.from_discrete_gaussian_mechanism(
            part["sigma"], sensitivity=part["shift"], use_connect_dots=False, **options)
    return one.self_compose(part["times"])


def composed(plan, step, pessimistic):
    whole = None
    for part in plan["parts"]:
        one = theirs(part, step, pessimistic)
        whole = one if whole is None else whole.compose(one)
    return whole.get_epsilon_for_delta(plan["delta"])


def main():
    program = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 2026)
    plans = []
    for _ in range(count):
        parts = [random_part(rng) for _ in range(rng.choice([1, 1, 2, 3]))]
        plans.append({"delta": 10 ** -rng.uniform(4, 9), "parts": parts})
    lines = "".join(json.dumps(plan) + "\n" for plan in plans)
    answers = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    if len(answers) != len(plans):
        sys.exit(f"{len(answers)} answers for {len(plans)} plans")
    failures, widest, least, most = 0, 0.0, math.inf, -math.inf
    for plan, answer in zip(plans, answers):
        answer = json.loads(answer)
        # Fine enough that the tolerance is small beside epsilon, coarse enough to be quick.
        spread = math.sqrt(sum(p["times"] * spread_of(p) ** 2 for p in plan["parts"]))
        step = max(spread / 4000.0, 1e-6)
        low, high = composed(plan, step, False), composed(plan, step, True)
        ours = answer.get("epsilon")
        allowance = FLOAT_RELATIVE * high + FLOAT_ABSOLUTE
        held = ours is not None and low - allowance <= ours <= high * (1 + OURS_ABOVE) + allowance
        if held and high > 0:
            widest = max(widest, (high - low) / high)
            least, most = min(least, ours / high - 1), max(most, ours / high - 1)
        if not held:
            failures += 1
            print(f"DISAGREES: {json.dumps(plan)}: ours {answer}, theirs {low} to {high}")
    print(f"{len(plans) - failures} of {len(plans)} plans agree; ours is between {least:+.2e} and {most:+.2e} of theirs, "
          f"whose own tolerance is up to {widest:.2e}")
    sys.exit(1 if failures else 0)


def spread_of(part):
    kind = part["kind"]
    if kind in ("pure", "approximate"):
        return part["epsilon"]
    if kind in ("laplace", "gaussian"):
        return part["ratio"]
    return part["shift"] / part.get("scale", part.get("sigma"))


if __name__ == "__main__":
    main()
