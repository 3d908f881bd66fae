#!/usr/bin/env python3
"""CUDA kernels against their peers, without a model around them.

  python3 bench/kernels.py queries gemm.checks > q.json && build/bin/bench-kernel-texts q.json DIR 1     (no GPU)
  python3 bench/kernels.py check DIR gemm       every plan against float64, outputs poisoned, repeats compared bitwise
  python3 bench/kernels.py race DIR gemm        each plan 1,000 times, shared memory poisoned before each, every wait followed by a random pause (SL_JITTER)
  python3 bench/kernels.py table DIR gemm       the chosen plans against the library, one interleaved run, ratios; JSON behind --json
  python3 bench/kernels.py sweep DIR gemm       every plan: what cost models are fitted to

`--only=REGEX` takes the queries that have it in "linear residual 300x776 1024x776 300x1024", the name, the epilogue's and
the operands' sizes, and compiles no more than these need.
"""
import importlib
import json
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def suite_of(name):
    sys.path.insert(0, str(ROOT / "bench"))
    return importlib.import_module(f"{name}_suite")


def sizes_of(operand, key):
    return [d if isinstance(d, int) else d[key] for d in operand["dims"]]


class Problem:
    """A query's operands on the GPU: normal inputs, a result full of NaN between guards.  An operand's `begin`: its first element, off a multiple of 16 bytes."""
    def __init__(self, query, device, torch, seed=0):
        self.query, g = query, torch.Generator("cuda").manual_seed(seed)

        def rand(o, count):
            if o["dtype"] in ("i4", "ui4", "i8", "ui8"):
                return torch.randint(0, 256, (count,), device="cuda", dtype=torch.uint8, generator=g)
            return torch.randn(count, device="cuda", dtype=torch.float32, generator=g).to(device.TYPES[o["dtype"]])
        self.operands, self.bounds, self.guarded, self.edges = [], [], [], []
        for i, o in enumerate(query["ins"] + query["outs"]):
            if o is None:
                self.operands.append(None)
                self.bounds.append(None)
                continue
            shape, bound = sizes_of(o, "actual"), sizes_of(o, "max")
            if o["dtype"] in ("i4", "ui4"):  # two codes a byte
                shape[-1], bound[-1] = -(-shape[-1] // 2), -(-bound[-1] // 2)
            count, begin = math.prod(bound), o.get("begin", 0)
            if i >= len(query["ins"]):
                self.guarded.append(torch.empty(begin + count + 2048, device="cuda", dtype=device.TYPES[o["dtype"]]))
                data = self.guarded[-1][1024 + begin:1024 + begin + count]
                self.edges += [self.guarded[-1][:1024 + begin], self.guarded[-1][-1024:]]
            else:
                data = rand(o, begin + count + 256 * (bound or [1])[-1])[begin:]
                if data.is_floating_point():  # what lies behind an operand, where maps may reach on, changes nothing
                    data[math.prod(shape):] = math.nan
            self.operands.append(data[:math.prod(shape)].view(shape))
            self.bounds.append(bound)

    @property
    def outs(self):
        return self.operands[len(self.query["ins"]):]

    def poison(self):
        for guarded in self.guarded:
            guarded.fill_(float("nan") if guarded.is_floating_point() else 85)

    def guards_hold(self):
        return all(bool((e.isnan() if e.is_floating_point() else e == 85).all()) for e in self.edges)


def read_queries(folder, only):
    """The queries of the folder, each with its plans."""
    queries, kernels = (json.loads((folder / f"{name}.json").read_text()) for name in ("queries", "kernels"))

    def text(query):
        sizes = ["x".join(map(str, sizes_of(o, "actual"))) for o in query["ins"] if o]
        return " ".join([query["name"], *([query["finish"]] if "finish" in query else []), *sizes])
    return [(query, plans) for query, plans in zip(queries, kernels) if re.search(only, text(query))]


def check(queries, folder, suite, paused=False):
    repeats = 1000 if paused else 2
    import torch
    import device
    torch.backends.cuda.matmul.allow_tf32 = False
    modules, bad, runs, worst = device.load_modules(folder, [plans for _, plans in queries], paused), 0, 0, {}
    poison_shared = device.shared_poison()
    for query, plans in queries:
        problem = Problem(query, device, torch)
        getattr(suite, "prepare", lambda *_: None)(query, problem.operands, torch)
        want = suite.reference(query, problem.operands[:len(query["ins"])], torch)
        want = want if isinstance(want, (list, tuple)) else [want]
        for plan in plans:
            launch = device.Launch(modules, plan, problem.operands, problem.bounds)
            first, differs = None, torch.zeros((), device="cuda", dtype=torch.bool)
            for _ in range(repeats):
                problem.poison()
                poison_shared()
                launch()
                first = [out.clone() for out in problem.outs] if first is None else first
                for a, b in zip(problem.outs, first):
                    differs |= (a.flatten().view(torch.uint8) != b.flatten().view(torch.uint8)).any()
            got, same = problem.outs, not bool(differs)
            error = max(float((g.double() - w).norm() / w.norm().clamp(min=1e-30)) if w.numel() else 0.0 for g, w in zip(got, want))
            ok = bool(error < suite.tolerance(query)) and same and problem.guards_hold()
            runs, bad = runs + 1, bad + (not ok)
            key = (query["name"], plan["plan"].split()[0], query["outs"][0]["dtype"])
            worst[key] = max(worst.get(key, 0), error)
            if not ok:
                print(f"BAD {plan['plan']} {[o and o['dims'] for o in query['ins']]} {query['ins'][0]['dtype']}: error {error:.2e}, repeats {same}, guards {problem.guards_hold()}", flush=True)
    print(f"check: {runs} runs, {bad} bad; worst {({' '.join(k): f'{v:.1e}' for k, v in worst.items()})}", flush=True)
    return bad


def measure(queries, folder, suite, rounds, every):
    """Yields (query, plans, {name: us}, read GB/s): each plan and the peers in one interleaved race over cold weights."""
    import torch
    import device
    modules = device.load_modules(folder, [plans for _, plans in queries])
    pool = suite.make_pool(torch)
    ceiling = suite.read_ceiling(torch, device, pool)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; read {ceiling:.0f} GB/s", flush=True)
    for query, plans in queries:
        plans = plans if every else plans[:1]
        runs, reps = suite.runs(query, plans, modules, pool, torch, device)
        times = {name: us / reps for name, us in device.race(runs, rounds).items()}
        yield query, plans, times, ceiling


def table(queries, folder, suite, out):
    rows, groups = [], {}
    for query, plans, times, ceiling in measure(queries, folder, suite, 21, False):
        ours, peer = times[plans[0]["plan"]], times["peer"]
        share = suite.bytes_of(query) / ours * 1e-3 / ceiling
        rows.append({"query": suite.label(query), "plan": plans[0]["plan"], "predicted": plans[0]["us"], "read_gb_s": ceiling, **times, "ratio": peer / ours,
                     "tflops": suite.flops(query) / ours * 1e-6, "read_share": share})
        print(f"{suite.label(query):28s} {ours:9.2f} us {rows[-1]['tflops']:7.1f} TF/s {100 * share:5.1f} % read | peer {peer:9.2f}  ratio {peer / ours:.3f} | {plans[0]['plan']}, "
              f"{plans[0]['us']:.1f} predicted" + "".join(f", {n} {t:.2f}" for n, t in times.items() if n not in ("peer", plans[0]["plan"])), flush=True)
        for group in suite.groups(query):
            groups.setdefault(group, []).append(peer / ours)
    for group, ratios in groups.items():
        print(f"geomean {group}: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.3f} of {len(ratios)}, least {min(ratios):.3f}", flush=True)
    if out:
        pathlib.Path(out).write_text(json.dumps(rows, indent=1))


def sweep(queries, folder, suite, out):
    rows = []
    for query, plans, times, _ in measure(queries, folder, suite, 7, True):
        best = min(plans, key=lambda p: times[p["plan"]])
        rows.append({"query": suite.label(query), "times": times, "predicted": {p["plan"]: p["us"] for p in plans}})
        print(f"{suite.label(query):28s} peer {times['peer']:.2f}, chosen {plans[0]['plan']} {times[plans[0]['plan']]:.2f}, best {best['plan']} {times[best['plan']]:.2f}", flush=True)
    if out:
        pathlib.Path(out).write_text(json.dumps(rows))


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    out, only = (next((a.split("=", 1)[1] for a in sys.argv if a.startswith(f"--{name}=")), None) for name in ("json", "only"))
    if args[0] == "queries":
        name, which = args[1].split(".")
        print(json.dumps(getattr(suite_of(name), which)()))
        return 0
    folder, suite = pathlib.Path(args[1]), suite_of(args[2])
    import device
    import time
    start = time.time()
    queries = read_queries(folder, only or "")
    numbers = {int(plan["file"]) for _, plans in queries for plan in plans}
    complaints = device.compile_texts(folder, ROOT, numbers, paused=args[0] == "race")
    print(f"compiled in {time.time() - start:.0f} s" + "".join(f"\n{c}" for c in complaints), flush=True)
    if args[0] in ("check", "race"):
        return int(check(queries, folder, suite, paused=args[0] == "race") > 0)
    (table if args[0] == "table" else sweep)(queries, folder, suite, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
