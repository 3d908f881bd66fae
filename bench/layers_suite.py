"""Mixture of experts, LSTM, GRU, resize and grid_sample: which are asked for, checked and timed."""


def tensor(dtype, *dims, **more):
    return {"dtype": dtype, "dims": list(dims), **more}


def moe(t, d, f, experts, choices, dtype="bf16", gated=True, biases=False, activation="silu", routing=None):
    def weight(*dims):
        return tensor(dtype, experts, *dims, weight=True)
    ins = [tensor(dtype, t, d), tensor("i64", t, choices), tensor(routing or dtype, t, choices), weight(f, d), weight(d, f), weight(f, d) if gated else None]
    ins += [weight(f), weight(f) if gated else None, weight(d)] if biases else []
    return {"name": "moe", "attrs": {"activation": activation}, "ins": ins, "outs": [tensor(dtype, t, d)]}


def recurrent(name, t, b, i, h, directions=1, dtype="f32", lengths=False, more=False, **attrs):
    gates = {"lstm": 4, "gru": 3}[name]
    ins = [tensor(dtype, t, b, i), tensor(dtype, directions, gates * h, i, weight=True), tensor(dtype, directions, gates * h, h, weight=True),
           tensor(dtype, directions, 2 * gates * h, weight=True) if more else None, tensor("i64", b) if lengths else None]
    states = [tensor(dtype, directions, b, h)] * (2 if name == "lstm" else 1)
    ins += states if more else [None] * len(states)
    ins += [tensor(dtype, directions, 3 * h, weight=True)] if more and name == "lstm" else []
    attrs |= {"direction": "bidirectional"} if directions == 2 else {}
    return {"name": name, "attrs": attrs, "ins": ins, "outs": [tensor(dtype, t, directions, b, h)] + states}


def resize(x, y, dtype="f32", **attrs):
    return {"name": "resize", "attrs": attrs, "ins": [tensor(dtype, *x)], "outs": [tensor(dtype, *y)]}


def grid_sample(x, grid, dtype="f32", **attrs):
    return {"name": "grid_sample", "attrs": attrs, "ins": [tensor(dtype, *x), tensor(dtype, x[0], *grid, len(grid))], "outs": [tensor(dtype, x[0], x[1], *grid)]}


def checks():
    cases = [moe(1, 256, 128, 16, 4), moe(7, 264, 72, 5, 2, "f16", biases=True, activation="gelu"), moe(33, 96, 40, 7, 3, "f32", biases=True, activation="gelu_tanh"),
             moe(300, 128, 64, 4, 2, "bf16", gated=False, activation="relu", routing="f32"), moe(65, 30, 17, 3, 2, "f32", biases=True), moe(5, 33, 20, 40, 1, "f16"),
             moe(5000, 64, 48, 40, 2, "f32"), moe(1, 2048, 768, 128, 8),
             moe(20000, 64, 48, 8, 2, biases=True), moe(700, 200, 136, 3, 2, "f16", gated=False, activation="gelu", biases=True)]
    cases += [recurrent("lstm", 9, 3, 20, 40), recurrent("lstm", 7, 2, 8, 100, 2, lengths=True, more=True), recurrent("lstm", 5, 1, 16, 33, direction="reverse", clip=0.5, lengths=True),
              recurrent("lstm", 3, 65, 70, 256, more=True), recurrent("lstm", 6, 2, 8, 24, 2, "f16", more=True, input_forget=1)]
    cases += [recurrent("gru", 9, 3, 20, 40), recurrent("gru", 7, 2, 8, 100, 2, lengths=True, more=True, linear_before_reset=1), recurrent("gru", 7, 2, 8, 100, 2, lengths=True, more=True),
              recurrent("gru", 4, 33, 70, 512, more=True, direction="reverse"), recurrent("gru", 6, 2, 8, 24, 1, "bf16", more=True)]
    sizes = (2, 3, 9, 14), (2, 3, 21, 10)
    cases += [resize(*sizes, mode="nearest", coordinate_mode="asymmetric", nearest_mode="floor"), resize(*sizes, mode="linear"), resize(*sizes, mode="linear", coordinate_mode="align_corners"),
              resize(*sizes, "f16", mode="cubic"), resize(*sizes, mode="cubic", coordinate_mode="align_corners"), resize((1, 2, 5, 6, 7), (1, 2, 9, 5, 20), mode="linear"),
              resize((3, 2, 17), (3, 2, 40), mode="linear")]
    # Not cubic at a border: ONNX brings the position inside, torch each tap.
    cases += [grid_sample((2, 11, 9, 14), (7, 5), mode=mode, padding=padding, align_corners=corners) for mode in ("nearest", "linear", "cubic")
              for padding in ("zeros", "border", "reflection") for corners in (0, 1) if (mode, padding) != ("cubic", "border")]
    return cases + [grid_sample((2, 3, 5, 6, 7), (4, 3, 5), mode="linear", padding="reflection", align_corners=0), grid_sample((2, 3, 9, 14), (7, 5), "f16", mode="linear", padding="zeros", align_corners=0)]


def table():
    return [moe(t, 2048, 768, 128, 8) for t in (1, 4, 16, 64, 256, 1024, 4096)] + [moe(t, 4096, 14336, 8, 2) for t in (1, 16, 256)]


def label(query):
    return f"{query['name']} " + " ".join("x".join(map(str, o["dims"])) for o in query["ins"][:4] if o)


def groups(query):
    return [query["name"]]


def chosen(query):
    """Experts that a token chooses, of evenly spread choices."""
    (t, p), e = query["ins"][1]["dims"], query["ins"][3]["dims"][0]
    return e * (1 - (1 - 1 / e) ** (t * p))


def flops(query):
    (t, p), (_, f, d) = query["ins"][1]["dims"], query["ins"][3]["dims"]
    return 2 * t * p * 3 * f * d


def bytes_of(query):
    _, f, d = query["ins"][3]["dims"]
    return chosen(query) * 3 * f * d * 2


def tolerance(query):
    return {"f32": 5e-5, "f16": 4e-3, "bf16": 2e-2}[query["outs"][0]["dtype"]]


def prepare(query, operands, torch):
    generator = torch.Generator("cuda").manual_seed(1)
    if query["name"] == "moe":
        scores = torch.rand(operands[0].shape[0], operands[3].shape[0], device="cuda", generator=generator)
        operands[1].copy_(scores.argsort(1)[:, :operands[1].shape[1]])
        for weight in operands[3:6]:
            if weight is not None:
                weight.mul_(weight.shape[2] ** -0.5)
    elif query["name"] in ("lstm", "gru"):
        operands[2].mul_(operands[2].shape[2] ** -0.5)
        if operands[4] is not None:
            operands[4].copy_(torch.randint(0, operands[0].shape[0] + 1, operands[4].shape, device="cuda", generator=generator))
    elif query["name"] == "grid_sample":
        operands[1].mul_(0.8)


def moe_reference(query, operands, torch):
    x, indices, weights, gate, down, up, *biases = [o if o is None or o.dtype == torch.int64 else o.double() for o in operands]
    gate_bias, up_bias, down_bias = biases or (None, None, None)
    act = {"silu": torch.nn.functional.silu, "relu": torch.relu, "gelu": torch.nn.functional.gelu,
           "gelu_tanh": lambda v: torch.nn.functional.gelu(v, approximate="tanh")}[query["attrs"]["activation"]]
    y = torch.zeros_like(x)
    for e in range(gate.shape[0]):
        token, choice = (indices == e).nonzero(as_tuple=True)
        hidden = act(x[token] @ gate[e].t() + (0 if gate_bias is None else gate_bias[e]))
        if up is not None:
            hidden = hidden * (x[token] @ up[e].t() + (0 if up_bias is None else up_bias[e]))
        y.index_add_(0, token, weights[token, choice, None] * (hidden @ down[e].t() + (0 if down_bias is None else down_bias[e])))
    return y


def lstm_cell(query, x, w, r, b, h, c, p):
    """x, h and c [b, ·], b [8, h] and p [3, h] or zeros → the new h and c."""
    i, o, f, g = [x @ wi.t() + h @ ri.t() + bi for wi, ri, bi in zip(w.chunk(4), r.chunk(4), b[:4] + b[4:])]
    clip = query["attrs"].get("clip", 0) or float("inf")
    i, f, g = (i + p[0] * c).clamp(-clip, clip).sigmoid(), (f + p[2] * c).clamp(-clip, clip).sigmoid(), g.clamp(-clip, clip).tanh()
    c = (1 - i if query["attrs"].get("input_forget") else f) * c + i * g
    return (o + p[1] * c).clamp(-clip, clip).sigmoid() * c.tanh(), c


def gru_cell(query, x, w, r, b, h):
    (wz, wr, wn), (rz, rr, rn) = w.chunk(3), r.chunk(3)
    z, reset = (x @ wz.t() + h @ rz.t() + b[0] + b[3]).sigmoid(), (x @ wr.t() + h @ rr.t() + b[1] + b[4]).sigmoid()
    state = reset * (h @ rn.t() + b[5]) if query["attrs"].get("linear_before_reset") else (reset * h) @ rn.t() + b[5]
    return (1 - z) * (x @ wn.t() + b[2] + state).tanh() + z * h


def recurrent_reference(query, operands, torch):
    lstm = query["name"] == "lstm"
    x, w, r = [o.double() for o in operands[:3]]
    (t, b, _), (directions, _, hidden), gates = x.shape, r.shape, 4 if lstm else 3
    optional = [None if o is None or o.dtype == torch.int64 else o.double() for o in operands[3:]] + [None] * 5
    zeros = x.new_zeros
    y, lasts = zeros(t, directions, b, hidden), [zeros(directions, b, hidden) for _ in range(2 if lstm else 1)]
    for d in range(directions):
        bias = zeros(2 * gates, hidden) if optional[0] is None else optional[0][d].view(2 * gates, hidden)
        peepholes = zeros(3, hidden) if optional[4] is None or not lstm else optional[4][d].view(3, hidden)
        for row in range(b):
            length = t if operands[4] is None else int(operands[4][row])
            states = [zeros(1, hidden) if optional[2 + n] is None else optional[2 + n][d, row:row + 1] for n in range(len(lasts))]
            backwards = d == 1 or query["attrs"].get("direction") == "reverse"
            for step in reversed(range(length)) if backwards else range(length):
                at = x[step, row:row + 1]
                states = list(lstm_cell(query, at, w[d], r[d], bias, *states, peepholes)) if lstm else [gru_cell(query, at, w[d], r[d], bias, *states)]
                y[step, d, row] = states[0][0]
            for last, state in zip(lasts, states):
                last[d, row] = state[0]
    return [y, *lasts]


def reference(query, operands, torch):
    attrs, x = query["attrs"], operands[0].double()
    if query["name"] == "moe":
        return moe_reference(query, operands, torch)
    if query["name"] in ("lstm", "gru"):
        return recurrent_reference(query, operands, torch)
    if query["name"] == "grid_sample":
        mode = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}[attrs["mode"]]
        return torch.nn.functional.grid_sample(x, operands[1].double(), mode, attrs["padding"], bool(attrs["align_corners"]))
    mode = {"nearest": "nearest", "linear": {3: "linear", 4: "bilinear", 5: "trilinear"}[x.dim()], "cubic": "bicubic"}[attrs["mode"]]
    corners = None if mode == "nearest" else attrs.get("coordinate_mode") == "align_corners"
    return torch.nn.functional.interpolate(x, query["outs"][0]["dims"][2:], mode=mode, align_corners=corners)


def make_pool(torch):
    return torch.randn(3 << 30, device="cuda", dtype=torch.bfloat16).mul_(0.02)


def read_ceiling(torch, device, pool):
    return device.read_ceiling(pool)


def runs(query, plans, modules, pool, torch, device):
    """peer: the products alone, cuBLAS over each chosen expert, its tokens already gathered."""
    (t, p), (e, f, d) = query["ins"][1]["dims"], query["ins"][3]["dims"]
    size, reps = e * f * d, max(1, min(8, len(pool) // (3 * e * f * d)))
    x, weights = torch.randn(t, d, device="cuda").to(torch.bfloat16), torch.rand(t, p, device="cuda").to(torch.bfloat16)
    sets = []
    for i in range(reps):
        gate, down, up = (pool[(3 * i + j) * size:][:size] for j in range(3))
        indices = torch.rand(t, e, device="cuda").argsort(1)[:, :p].contiguous()
        sets.append((indices, gate.view(e, f, d), down.view(e, d, f), up.view(e, f, d)))
    y = torch.empty(t, d, device="cuda", dtype=torch.bfloat16)
    graphs = {plan["plan"]: device.graph_of([device.Launch(modules, plan, [x, i, weights, g, w, u, y]) for i, g, w, u in sets]) for plan in plans}

    def peer(indices, gate, down, up):
        counts = torch.bincount(indices.flatten(), minlength=e).tolist()
        rows = [torch.randn(c, d, device="cuda").to(torch.bfloat16) for c in counts]

        def run():
            for i, row in enumerate(rows):
                if len(row):
                    torch.mm(torch.mm(row, gate[i].t()) * torch.mm(row, up[i].t()), down[i].t())
        return run
    graphs["peer"] = device.graph_of([peer(*s) for s in sets])
    return graphs, reps
