"""Attention: which operations are asked for, checked and timed."""
import math


def attention(b, h, g, s, t, d, dtype="bf16", e=None, causal=0, window=0, softcap=0.0, bias=None, key_mask=False, lengths=None, slopes=False, empty="zero"):
    op = lambda dt, *dims: {"dtype": dt, "dims": list(dims)}
    e = e or d
    return {"name": "attention", "attrs": {"scale": d ** -0.5, "causal": causal, "window": window, "softcap": softcap, "empty_rows": empty},
            "ins": [op(dtype, b, h, s, d), op(dtype, b, g, t, d), op(dtype, b, g, t, e), op(dtype, *bias) if bias else None, op("i1", b, t) if key_mask else None,
                    op("i64", b) if lengths else None, op(dtype, h) if slopes else None],
            "outs": [op(dtype, b, h, s, e)], "lengths": lengths}


def varying(query, s_max, t_max, **actual):
    q, k, v, out = *query["ins"][:3], query["outs"][0]
    for o, d, most in ((q, 2, s_max), (out, 2, s_max), (k, 2, t_max), (v, 2, t_max)):
        o["dims"][d] = {"min": 0, "max": most, "typical": most, "actual": o["dims"][d]}
    return query


def checks():
    cases = []
    for d in (64, 128):
        cases += [attention(2, 4, 2, s, t, d, causal=c) for s, t in ((200, 200), (1000, 1000), (129, 517), (1, 300), (65, 64)) for c in (0, 1)]
        cases += [attention(1, 2, 1, 700, 700, d, causal=1, window=100), attention(2, 2, 1, 300, 300, d, causal=1, softcap=20.0)]
        cases += [attention(2, 4, 2, 150, 150, d, causal=c, bias=bias) for c, bias in ((0, (1, 1, 150, 150)), (1, (2, 4, 150, 150)), (0, (2, 1, 1, 150)))]
        cases += [attention(3, 4, 2, 100, 260, d, causal=1, key_mask=True), attention(3, 4, 2, 100, 260, d, key_mask=True, empty="uniform"), attention(2, 8, 4, 90, 200, d, causal=1, slopes=True)]
        cases += [attention(3, 4, 2, s, 260, d, causal=1, key_mask=True, empty=e) for s in (1, 100) for e in ("zero", "uniform", "scores", "either")]
        cases += [attention(3, 4, 2, 450, 450, d, causal=c, window=w, key_mask=True, empty=e) for c, w in ((0, 0), (1, 0), (1, 40)) for e in ("uniform", "scores", "either")]
        cases += [attention(3, 4, 2, s, 320, d, lengths=[320, 40, 33], causal=1, key_mask=True, empty=e) for s in (1, 50) for e in ("scores", "either")]
        cases += [attention(3, 4, 2, 150, 150, d, key_mask=True, bias=(3, 1, 1, 150), empty="scores"), attention(3, 4, 2, 150, 60, d, causal=1, empty="uniform")]
        cases += [attention(4, 8, 8, 1, 640, d, lengths=[640, 1, 77, 0], causal=1), attention(3, 4, 2, 33, 320, d, lengths=[320, 40, 33], causal=1)]
        cases += [attention(b, 8, g, s, t, d, causal=1) for b, g, s, t in ((1, 2, 1, 4097), (40, 8, 1, 77), (5, 2, 3, 1000), (2, 1, 2, 130), (1, 8, 1, 1))]
        cases += [attention(2, 8, 2, 1, 3000, d, causal=1, window=500), attention(2, 8, 2, 1, 700, d, causal=1, key_mask=True), attention(2, 8, 2, 2, 700, d, bias=(2, 8, 2, 700)),
                  attention(2, 8, 2, 1, 700, d, slopes=True, causal=1, softcap=30.0)]
        cases += [varying(attention(2, 4, 2, s, t, d, causal=1), 512, 1024) for s, t in ((1, 1), (100, 333), (512, 1024), (0, 0))]
        cases += [varying(attention(2, 4, 2, 1, t, d, causal=1), 1, 2048) for t in (1, 65, 2000)]
    cases += [attention(2, 4, 2, 130, 130, d, causal=1, dtype=dt) for d, dt in ((80, "bf16"), (96, "f16"), (32, "f16"), (256, "bf16"), (40, "bf16"))]
    cases += [attention(2, 4, 2, s, 200, d, e=e, causal=1, dtype="f32") for s, d, e in ((50, 64, 64), (1, 20, 36), (200, 128, 128))]
    cases += [attention(2, 4, 2, 20, 70, 64, dtype="f32", bias=(2, 1, 20, 70))]
    cases += [attention(2, 4, 2, 20, 70, 64, dtype="f32", key_mask=True, causal=1, empty=e) for e in ("uniform", "scores", "either")]
    return cases


def table():
    prefill = [attention(32768 // s, 32, 8, s, s, d, causal=c) for d in (128, 64) for c in (1, 0) for s in (1024, 2048, 4096, 8192, 16384, 32768)]
    decode = [attention(b, 32, 8, 1, t, 128, causal=1) for b in (1, 4, 16, 64, 128) for t in (1024, 4096, 16384, 65536, 131072) if b * t <= 2 << 20]
    return prefill + decode


def variants():
    """What a model may ask beside the plain pattern."""
    b, s, d = 8, 4096, 128
    return [attention(b, 32, 8, s, s, d, causal=1), attention(b, 32, 8, s, s, d, causal=1, window=1024), attention(b, 32, 8, s, s, d, causal=1, softcap=30.0),
            attention(b, 32, 8, s, s, d, causal=1, key_mask=True), attention(b, 32, 8, s, s, d, bias=(1, 32, s, s)), attention(b, 32, 8, s, s, d, causal=1, slopes=True),
            attention(b, 32, 8, 512, s, d), attention(16, 12, 12, 512, 512, 64, key_mask=True), attention(16, 12, 12, 197, 197, 64)]


def sizes(query):
    (b, h, s, d), (_, g, t, _) = query["ins"][0]["dims"], query["ins"][1]["dims"]
    return b, h, g, s, t, d


def label(query):
    b, h, g, s, t, d = sizes(query)
    a = query["attrs"]
    more = [n for n, i in (("bias", 3), ("mask", 4), ("slopes", 6)) if query["ins"][i]] + [f"{n} {a[n]}" for n in ("window", "softcap") if a[n]]
    return f"{b}x{h}/{g} s{s} t{t} d{d}{' causal' if a['causal'] and s > 1 else ''} {' '.join(more)}"


def flops(query):
    b, h, g, s, t, d = sizes(query)
    w = query["attrs"]["window"]
    pairs = s * t - (s * (s - 1) // 2 if query["attrs"]["causal"] else 0)
    pairs = min(pairs, s * w) if w else pairs
    return 4 * b * h * pairs * d


def bytes_of(query):
    b, h, g, s, t, d = sizes(query)
    return 2 * (2 * b * g * t * d + 2 * b * h * s * d)


def groups(query):
    b, h, g, s, t, d = sizes(query)
    if s > 1:
        return [f"prefill d{d} {'causal' if query['attrs']['causal'] else 'full'}"]
    mib = 4 * b * g * t * d >> 20
    return ["decode < 64 MiB" if mib < 64 else "decode 64-511 MiB" if mib < 512 else "decode 512 MiB-2 GiB" if mib < 2048 else "decode >= 2 GiB"]


def tolerance(query):
    return 1e-5 if query["outs"][0]["dtype"] == "f32" else 8e-3


def prepare(query, operands, torch):
    """Masks and lengths that mean something; what lies beyond a length is NaN."""
    if operands[4] is not None:
        b, t = operands[4].shape
        operands[4].copy_(torch.rand(b, t, device="cuda") < 0.7)
        operands[4][0] = False  # no key at all
        operands[4][-1, : t // 2] = False  # with a causal mask: none for the first queries
    if query.get("lengths"):
        operands[5].copy_(torch.tensor(query["lengths"]))
        for i, n in enumerate(query["lengths"]):
            operands[1][i, :, n:] = operands[2][i, :, n:] = float("nan")


def reference(query, operands, torch):
    q, k, v, bias, key_mask, lengths, slopes = [o if o is None or o.dtype in (torch.bool, torch.int64) else o.double() for o in operands]
    b, h, s, d = q.shape
    g, t = k.shape[1:3]
    a = query["attrs"]
    if h * s * b == 0:
        return q
    valid = lengths if lengths is not None else torch.full((b,), t, device="cuda")
    inside = torch.arange(t, device="cuda")[None] < valid[:, None]
    k, v = [torch.where(inside[:, None, :, None], x, 0.0).repeat_interleave(h // g, 1) for x in (k, v)]
    x = q @ k.transpose(-1, -2) * a["scale"]
    if a["softcap"]:
        x = a["softcap"] * torch.tanh(x / a["softcap"])
    query_at = (valid[:, None] - s + torch.arange(s, device="cuda"))[:, None, :, None]
    key_at = torch.arange(t, device="cuda")[None, None, None]
    if bias is not None:
        x = x + bias
    if slopes is not None:
        x = x + slopes[None, :, None, None] * (key_at - query_at)
    sees = inside[:, None, None, :].expand(b, 1, s, t).clone()
    pattern = torch.ones_like(sees)
    if a["causal"]:
        pattern &= key_at <= query_at
    if a["window"]:
        pattern &= key_at > query_at - a["window"]
    sees &= pattern
    if key_mask is not None:
        sees &= key_mask[:, None, None]
    weigh = lambda sees: x.masked_fill(~sees, -math.inf).softmax(-1).nan_to_num(0.0) @ v
    out, some = weigh(sees), sees.any(-1, keepdim=True)
    if a["empty_rows"] == "uniform":
        return torch.where(some, out, v.mean(2, keepdim=True))
    if a["empty_rows"] in ("scores", "either"):
        all_keys = inside[:, None, None, :].expand(b, 1, s, t)
        either = all_keys & (pattern | (key_mask[:, None, None] if key_mask is not None else True))
        rest = torch.where(either.any(-1, keepdim=True), weigh(either), weigh(all_keys)) if a["empty_rows"] == "either" else weigh(all_keys)
        return torch.where(some, out, rest)
    return out


def make_pool(torch):
    return {n: torch.cat([torch.randn(1 << 28, device="cuda", dtype=torch.bfloat16) for _ in range(16)]) for n in "kv"}  # 8 GiB each


def read_ceiling(torch, device, pool):
    return device.read_ceiling(pool["k"][:2 << 30])  # 4 GiB


def runs(query, plans, modules, pool, torch, device):
    """Graphs over rotating keys and values; peer: cuDNN through torch (causal, full; a bias where there is one)."""
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel
    b, h, g, s, t, d = sizes(query)
    each = b * g * t * d
    reps = 1 if s > 1 else max(1, min(64, (2 << 30) // (each * 4), pool["k"].numel() // each))
    kv = [[pool[n][i * each:(i + 1) * each].view(b, g, t, d) for n in "kv"] for i in range(reps)]
    make = lambda o: None if o is None else torch.randn(o["dims"], device="cuda").to(device.TYPES[o["dtype"]])
    q, extras = make(query["ins"][0]), [make(o) for o in query["ins"][3:]]
    out = torch.empty_like(q)
    graphs = {}
    for plan in plans:
        graphs[plan["plan"]] = device.graph_of([device.Launch(modules, plan, [q, k, v, *extras, out]) for k, v in kv])
    bias = extras[0] if extras[0] is not None else extras[1][:, None, None].expand(b, 1, s, t) if extras[1] is not None else None

    def peer(k, v):
        with sdpa_kernel([SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION] if bias is not None else SDPBackend.CUDNN_ATTENTION):
            if bias is not None:
                return F.scaled_dot_product_attention(q, k.repeat_interleave(h // g, 1), v.repeat_interleave(h // g, 1), attn_mask=bias)
            return F.scaled_dot_product_attention(q, k, v, is_causal=bool(query["attrs"]["causal"]) and s > 1, enable_gqa=True)
    graphs["peer"] = device.graph_of([lambda k=k, v=v: peer(k, v) for k, v in kv])
    return graphs, reps
