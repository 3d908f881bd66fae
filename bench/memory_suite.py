"""Kernels that memory bounds: norms, softmax, transposes, embeddings, scatters, reductions.  Their peer is torch's copy of as many bytes, so a ratio is the share of the copy bandwidth."""
import math

SIZES = {"ui8": 1, "bf16": 2, "f16": 2, "f32": 4, "i64": 8}


def tensor(dtype, *dims):
    return {"dtype": dtype, "dims": list(dims)}


def norm(name, rows, d, dtype="bf16", weight=None, bias=False, made=False):
    """`made`: the weights are results of kernels, not constants."""
    weights = [tensor(weight or dtype, d) | {"weight": not made}] * (2 if bias else 1)
    return {"name": name, "attrs": {"eps": 1e-5}, "ins": [tensor(dtype, *rows, d), *weights], "outs": [tensor(dtype, *rows, d)]}


def softmax(dims, dtype="f32", axis=-1, log=0):
    return {"name": "softmax", "attrs": {"axis": axis, "log": log}, "ins": [tensor(dtype, *dims)], "outs": [tensor(dtype, *dims)]}


def transpose(dims, perm, dtype="bf16"):
    return {"name": "transpose", "attrs": {"perm": list(perm)}, "ins": [tensor(dtype, *dims)], "outs": [tensor(dtype, *(dims[p] for p in perm))]}


def copy(dims, dtype="f32"):
    return {"name": "copy", "attrs": {}, "ins": [tensor(dtype, *dims)], "outs": [tensor(dtype, *dims)]}


def gather(rows, d, count, dtype="bf16", axis=0):
    data = [rows, d] if axis == 0 else [d, rows]
    return {"name": "gather", "attrs": {"axis": axis}, "ins": [tensor(dtype, *data), tensor("i64", *count)], "outs": [tensor(dtype, *([*count, d] if axis == 0 else [d, *count]))]}


def scatter_nd(dims, tuples, reduction="none", dtype="f32"):
    """Distinct tuples where updates replace; `prepare` makes them."""
    *count, k = tuples
    return {"name": "scatter_nd", "attrs": {"reduction": reduction}, "ins": [tensor(dtype, *dims), tensor("i64", *tuples), tensor(dtype, *count, *dims[k:])], "outs": [tensor(dtype, *dims)]}


def scatter_elements(dims, indices, axis, reduction="none", dtype="f32"):
    return {"name": "scatter_elements", "attrs": {"axis": axis, "reduction": reduction}, "ins": [tensor(dtype, *dims), tensor("i64", *indices), tensor(dtype, *indices)],
            "outs": [tensor(dtype, *dims)]}


def reduce(dims, axes, dtype="f32", kind="sum"):
    out = [size for d, size in enumerate(dims) if d not in axes]
    return {"name": "reduce", "attrs": {"axes": list(axes), "kind": kind}, "ins": [tensor(dtype, *dims)], "outs": [tensor(dtype, *out)]}


def varying(query):
    """The same with a last dimension that is not known."""
    for operand in query["ins"][:1] + query["outs"]:
        size = operand["dims"][-1]
        operand["dims"][-1] = {"min": 0, "max": size + 9, "typical": size, "actual": size}
    return query


def beginning(query, ins=1, outs=1):
    """The same with operands that do not begin at a multiple of 16 bytes."""
    for operand in query["ins"]:
        operand["begin"] = ins
    query["outs"][0]["begin"] = outs
    return query


def checks():
    cases = [norm("rms_norm", [rows], d, dtype) for dtype in ("bf16", "f16", "f32") for rows, d in ((1, 4096), (77, 64), (300, 100), (5, 33), (3, 20000), (9, 16), (1000, 576))]
    cases += [norm("rms_norm", [33], 512, made=True), norm("layer_norm", [33], 768, "f16", bias=True, made=True)]
    cases += [norm("layer_norm", [2, rows], d, dtype, weight, True) for dtype, weight in (("f16", "f32"), ("f32", "f32"), ("bf16", "bf16")) for rows, d in ((1, 768), (50, 30), (3, 9000), (65, 128))]
    cases += [softmax(dims, dtype, axis, log) for dtype in ("f32", "bf16") for dims, axis, log in
              (((3, 7, 100), -1, 0), ((2, 5, 4096), -1, 1), ((3, 33, 9), 1, 0), ((4, 50000), -1, 0), ((1, 1), -1, 0), ((1000, 3), 0, 1))]
    cases += [varying(softmax((5, 7, size))) for size in (1, 64, 1000)]
    cases += [transpose(dims, perm, dtype) for dtype in ("ui8", "f16", "f32", "i64") for dims, perm in
              (((70, 130), (1, 0)), ((3, 65, 33), (0, 2, 1)), ((5, 6, 7, 64), (0, 2, 1, 3)), ((2, 3, 100, 40), (1, 3, 0, 2)), ((66, 2, 65), (2, 1, 0)), ((1, 300, 1), (2, 1, 0)))]
    cases += [scatter_nd((50, 7, 33), (20, 1)), scatter_nd((50, 7, 33), (3, 40, 2), "none", "f16"), scatter_nd((9, 700), (50, 1), "add"), scatter_nd((9, 70), (500, 2), "max"),
              scatter_elements((30, 40, 50), (30, 20, 50), 1), scatter_elements((300, 77), (300, 5), -1, "none", "bf16"), scatter_elements((30, 40, 50), (29, 90, 48), 1, "add")]
    cases += [transpose(dims, (1, 0), dtype) for dtype in ("ui8", "bf16", "f32", "i64") for dims in ((0, 5), (1, 1), (129, 257), (640, 384))]
    cases += [transpose((3, 50, 12, 8), (0, 2, 3, 1), dtype) for dtype in ("ui8", "f16", "f32")] + [transpose((4, 1, 65, 70), (3, 0, 1, 2)), transpose((7, 64, 3, 3), (0, 2, 3, 1), "f32")]
    cases += [beginning(transpose(dims, perm, dtype), *begins) for dtype in ("ui8", "f16", "f32", "i64") for begins in ((1, 0), (0, 1), (1, 1)) for dims, perm in
              (((200, 136), (1, 0)), ((5, 6, 16, 64), (0, 2, 1, 3)))]
    cases += [beginning(norm("rms_norm", [9], 512, "f16")), beginning(norm("layer_norm", [9], 768, "bf16", bias=True), 3, 0), beginning(softmax((5, 2048))), beginning(softmax((3, 32000)), 0, 1)]
    cases += [norm("rms_norm", [rows], d, dtype) for dtype in ("bf16", "f32", "f16") for rows, d in ((2000, 24000), (7, 40000), (3, 17001), (0, 512))] + [softmax((700, 32000)), softmax((3, 32001))]
    shapes = (((1000, 3), (0,)), ((70, 1000), (1,)), ((20000, 65), (0,)), ((2, 300000), (1,)), ((4, 33, 7, 7), (2, 3)), ((9, 8, 40, 24), (0, 2)), ((9, 8, 40, 24), (1, 3)), ((1 << 20, ), (0,)),
              ((70, 1000), (0,)), ((3, 5, 64), (0, 1, 2)), ((20000, 64), (0,)), ((4, 7, 7, 256), (1, 2)), ((300, 8, 50), (0, 2)), ((5, 1), (1,)), ((1, 1), (0,)))
    cases += [reduce(dims, axes, dtype, kind) for dtype, kind in (("f32", "l1"), ("f16", "mean")) for dims, axes in shapes]
    cases += [reduce(dims, axes, dtype, kind) for dtype, kind in (("f16", "max"), ("bf16", "l2"), ("i64", "sum"), ("ui8", "min")) for dims, axes in shapes[:4]]
    cases += [beginning(reduce((70, 1024), (axis,), dtype), 1, 0) for axis in (0, 1) for dtype in ("f32", "f16")]
    cases += [beginning(gather(50, 64, (3, 5)), 1, 0), beginning(copy((3, 64))), copy((5, 1 << 20), "f16"), gather(5000, 256, (3000,), "f16")]
    cases += [copy((3, 64)), copy((3, 5, 7), "f16"), gather(50, 64, (3, 5)), gather(50, 33, (17,)), gather(50, 33, (17,), "f32", 1)]
    return cases


def table():
    return [norm("rms_norm", [16384], 4096), norm("rms_norm", [16384], 8192, "f16"), norm("rms_norm", [1 << 19], 128), norm("layer_norm", [1 << 16], 768, "f16", bias=True),
            norm("layer_norm", [1 << 16], 768, "f32", bias=True), norm("layer_norm", [1 << 15], 1024, bias=True), softmax((1 << 16, 512)), softmax((1 << 15, 2048), "bf16"),
            softmax((1 << 11, 32000)), softmax((1 << 12, 32000), "bf16"), softmax((1 << 12, 16384)), norm("rms_norm", [1 << 12], 16384), transpose((8192, 8192), (1, 0)), transpose((4096, 8192), (1, 0), "f32"), transpose((8192, 16384), (1, 0), "ui8"), transpose((4096, 4096), (1, 0), "i64"), transpose((8, 2048, 32, 128), (0, 2, 1, 3)),
            transpose((64, 197, 12, 64), (0, 2, 3, 1), "f16"), transpose((64, 256, 56, 56), (0, 2, 3, 1), "f16"), gather(128256, 4096, (8, 2048)), gather(30522, 768, (64, 512), "f16"),
            copy((1 << 14, 4096)), reduce((1 << 15, 1024), (1,)), reduce((1 << 16, 1024), (1,), "bf16", "mean"), reduce((1 << 15, 1024), (0,)), reduce((1 << 21, 32), (0,), "f16"),
            reduce((1 << 25,), (0,)), reduce((256, 7, 7, 2048), (1, 2), "f16", "mean"), reduce((64, 256, 56, 56), (2, 3), "f16", "mean"), reduce((64, 256, 56, 56), (0, 2, 3), "f16")]


def label(query):
    return f"{query['name']} {query['ins'][0]['dtype']} {'x'.join(map(str, query['ins'][0]['dims']))} {query['attrs'].get('perm', '')}"


def groups(query):
    return [query["name"]]


def flops(query):
    return 0


def bytes_of(query):
    moved = [query["ins"][0], query["outs"][0]] if query["name"] == "reduce" else [query["outs"][0]] * 2
    return sum(math.prod(o["dims"]) * SIZES[o["dtype"]] for o in moved)


def tolerance(query):
    return {"f32": 2e-6, "f16": 1e-3, "bf16": 4e-3}.get(query["outs"][0]["dtype"], 1e-12)


def prepare(query, operands, torch):
    generator = torch.Generator("cuda").manual_seed(1)
    if query["name"].startswith("scatter"):
        data, indices = operands[0], operands[1]
        free = query["attrs"]["reduction"] != "none"

        def choose(count, n):  # of n, distinct where they must be
            return torch.randint(n, (count,), device="cuda", generator=generator) if free else torch.randperm(n, device="cuda", generator=generator)[:count]

        if query["name"] == "scatter_nd":
            k = indices.shape[-1]
            flat = choose(indices.numel() // k, math.prod(data.shape[:k]))
            parts = torch.stack(torch.unravel_index(flat, data.shape[:k]), -1).view(indices.shape)
            sizes = torch.tensor(data.shape[:k], device="cuda")
        else:
            axis = query["attrs"]["axis"]
            n, lines = data.shape[axis], indices.numel() // indices.shape[axis]
            parts = torch.stack([choose(indices.shape[axis], n) for _ in range(lines)])
            moved = indices.movedim(axis, -1).shape
            parts, sizes = parts.view(moved).movedim(-1, axis), n
        indices.copy_(torch.where(torch.rand(parts.shape, device="cuda") < 0.5, parts - sizes, parts))
    if query["name"] == "gather":
        n = operands[0].shape[query["attrs"]["axis"]]
        operands[1].copy_(torch.randint(-n, n, operands[1].shape, device="cuda", generator=generator))


def scattered(query, x, indices, updates, torch):
    how = {"none": None, "add": "sum", "max": "amax"}[query["attrs"]["reduction"]]
    if query["name"] == "scatter_elements":
        axis = query["attrs"]["axis"]
        at = indices % x.shape[axis]
        return x.scatter(axis, at, updates) if how is None else x.scatter_reduce(axis, at, updates, how)
    k = indices.shape[-1]
    flat = sum((indices[..., i] % x.shape[i]).flatten() * math.prod(x.shape[i + 1:k]) for i in range(k))
    rows, lines = x.view(math.prod(x.shape[:k]), -1), updates.view(len(flat), -1)
    at = flat[:, None].expand_as(lines)
    return (rows.scatter(0, at, lines) if how is None else rows.scatter_reduce(0, at, lines, how)).view(x.shape)


def reference(query, operands, torch):
    attrs, x = query["attrs"], operands[0].double()
    if query["name"].startswith("scatter"):
        return scattered(query, x, operands[1], operands[2].double(), torch)
    if query["name"] == "rms_norm":
        return x / (x.square().mean(-1, keepdim=True) + attrs["eps"]).sqrt() * operands[1].double()
    if query["name"] == "layer_norm":
        return torch.nn.functional.layer_norm(x, x.shape[-1:], operands[1].double(), operands[2].double(), attrs["eps"])
    if query["name"] == "softmax":
        return x.log_softmax(attrs["axis"]) if attrs["log"] else x.softmax(attrs["axis"])
    if query["name"] == "reduce":
        axes, kind = attrs["axes"], attrs["kind"]
        if kind in ("max", "min"):
            return getattr(x, "a" + kind)(axes)
        return {"l2": lambda: x.square().sum(axes).sqrt(), "l1": lambda: x.abs().sum(axes), "mean": lambda: x.mean(axes), "sum": lambda: x.sum(axes)}[kind]()
    if query["name"] == "gather":
        n = x.shape[attrs["axis"]]
        return x.index_select(attrs["axis"], operands[1].flatten() % n).view(query["outs"][0]["dims"])
    return x.permute(attrs["perm"]) if query["name"] == "transpose" else x


def make_pool(torch):
    return None


def read_ceiling(torch, device, pool):
    return device.read_ceiling(torch.empty(1 << 30, device="cuda", dtype=torch.float32).normal_())


def runs(query, plans, modules, pool, torch, device):
    """Several sets of operands in turn, more than L2 holds; peer: torch copies as many bytes."""
    count = max(2, min(8, int(1e9 // bytes_of(query))))
    sets = []
    for _ in range(count):
        ins = [torch.randn(o["dims"], device="cuda").to(device.TYPES[o["dtype"]]) if o["dtype"] not in ("i64", "ui8") else torch.zeros(o["dims"], dtype=device.TYPES[o["dtype"]], device="cuda") for o in query["ins"]]
        prepare(query, ins, torch)
        sets.append([*ins, torch.empty(query["outs"][0]["dims"], device="cuda", dtype=device.TYPES[query["outs"][0]["dtype"]])])
    graphs = {plan["plan"]: device.graph_of([device.Launch(modules, plan, s) for s in sets]) for plan in plans}
    sources = [torch.empty(bytes_of(query) // 2, device="cuda", dtype=torch.uint8) for _ in sets]
    graphs["peer"] = device.graph_of([lambda s=s, t=sources[i - 1]: t.copy_(s) for i, s in enumerate(sources)])
    return graphs, count
