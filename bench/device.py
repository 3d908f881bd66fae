"""Runs kernels that bench-kernel-texts wrote: compiles their text, builds their parameters, times them in CUDA graphs.

Needs a GPU, its driver, nvcc and torch (for memory and the peers); nothing of it is part of the product.
"""
import concurrent.futures
import ctypes
import json
import pathlib
import struct
import subprocess
import tempfile

import torch

CUDA = ctypes.CDLL("libcuda.so.1")
TYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32, "i64": torch.int64, "i32": torch.int32, "i1": torch.bool, "ui8": torch.uint8,
         "i8": torch.int8}
MAP_TYPES = {torch.bfloat16: 9, torch.float16: 6, torch.float32: 7, torch.uint8: 0, torch.int8: 0}  # CUtensorMapDataType
SWIZZLES = {0: 0, 32: 1, 64: 2, 128: 3}


def check(code, what):
    if code:
        raise RuntimeError(f"{what}: CUDA error {code}")


def image_of(folder, number, paused=False):
    return pathlib.Path(folder) / f"{number}{'.paused' if paused else ''}.cubin"


def compile_texts(folder, root, numbers=None, jobs=16, paused=False):
    """Images of every N.cu of the folder that has none yet (bench-kernel-texts makes the product's own for chosen plans), or
    of every one with pauses behind its waits; returns ptxas's complaints (spills, serialised wgmma)."""
    folder, complaints = pathlib.Path(folder), []

    def one(path):
        command = ["nvcc", "-std=c++17", "-I", str(root), "-gencode=arch=compute_90a,code=sm_90a", "-Xptxas", "-v", "-cubin",
                   "-o", str(image_of(folder, path.stem, paused)), str(path), *(["-DSL_JITTER"] if paused else [])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{path}:\n{done.stderr}")
        return [f"{path.name}: {l}" for l in done.stderr.splitlines()
                if "C75" in l or ("spill" in l and " 0 bytes spill stores" not in l)]

    paths = [p for p in sorted(folder.glob("*.cu")) if numbers is None or int(p.stem) in numbers]
    paths = [p for p in paths if paused or not image_of(folder, p.stem).exists()]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for lines in pool.map(one, paths):
            complaints += lines
    return complaints


class Module:
    def __init__(self, path):
        image = pathlib.Path(path).read_bytes()
        self.handle = ctypes.c_void_p()
        check(CUDA.cuModuleLoadData(ctypes.byref(self.handle), image), f"load {path}")

    def function(self, name, shared):
        f = ctypes.c_void_p()
        check(CUDA.cuModuleGetFunction(ctypes.byref(f), self.handle, name.encode()), name)
        if shared:
            check(CUDA.cuFuncSetAttribute(f, 8, shared), "shared memory")
        return f


class Attribute(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint), ("pad", ctypes.c_uint), ("value", ctypes.c_uint * 16)]


class Config(ctypes.Structure):
    _fields_ = [("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared", ctypes.c_uint), ("stream", ctypes.c_void_p),
                ("attributes", ctypes.POINTER(Attribute)), ("count", ctypes.c_uint)]


def tensor_map(param, tensor, bound):
    """The map of a tensor whose sizes are `bound` (those the launch is made for)."""
    strides = tensor.stride()
    sizes, pitches = [], []
    for first, last in param["dims"]:
        size = 1
        for d in range(first, last + 1):
            size *= bound[d]
        sizes.append(max(size, 1))
        pitches.append(strides[last] * tensor.element_size())
    sizes.reverse(), pitches.reverse()
    box = list(reversed(param["box"]))
    n = len(sizes)
    if param["reach"] and n > 1:  # as the runtime does
        room = tensor.untyped_storage().nbytes() - tensor.storage_offset() * tensor.element_size() - sum((s - 1) * p for s, p in zip(sizes[2:], pitches[2:]))
        sizes[1] = max(sizes[1], min(-(-sizes[1] // param["reach"]) * param["reach"], room // pitches[1]))
    out = (ctypes.c_byte * 192)()
    address = (ctypes.addressof(out) + 63) & ~63
    if param["windows"]:
        begins, ends, steps = (list(reversed(v)) for v in zip(*param["windows"]))
        channels, windows = box
        check(CUDA.cuTensorMapEncodeIm2col(ctypes.c_void_p(address), MAP_TYPES[tensor.dtype], n, ctypes.c_void_p(tensor.data_ptr()),
                                           (ctypes.c_uint64 * n)(*sizes), (ctypes.c_uint64 * n)(*pitches[1:], 0),
                                           (ctypes.c_int * (n - 2))(*begins), (ctypes.c_int * (n - 2))(*ends), channels, windows,
                                           (ctypes.c_uint32 * n)(1, *steps, 1), 0, SWIZZLES[param["swizzle"]], 3, 0),
              f"tensor map {sizes} {pitches} windows {param['windows']}")
        return ctypes.string_at(address, 128)
    check(CUDA.cuTensorMapEncodeTiled(ctypes.c_void_p(address), MAP_TYPES[tensor.dtype], n, ctypes.c_void_p(tensor.data_ptr()),
                                      (ctypes.c_uint64 * n)(*sizes), (ctypes.c_uint64 * n)(*pitches[1:], 0),
                                      (ctypes.c_uint32 * n)(*box), (ctypes.c_uint32 * n)(*[1] * n), 0, SWIZZLES[param["swizzle"]], 3, 0),
          f"tensor map {sizes} {pitches} box {box}")
    return ctypes.string_at(address, 128)


class Launch:
    """One kernel with its operands.  `bounds[i]`: the sizes operand i was planned for; what differs goes into the step block."""
    def __init__(self, modules, kernel, operands, bounds=None, overlap=True):
        self.kernel, self.keep = kernel, list(operands)
        self.function = modules[kernel["file"]].function(kernel["entry"], kernel["shared"])
        bounds = bounds or [list(t.shape) if t is not None else None for t in operands]
        step, blobs = [], []

        def number(value, varies):
            if not varies:
                return value
            step.append(value)
            return ~(len(step) - 1)

        def given(i):  # one that the query does not have is absent
            return operands[i] if i < len(operands) else None

        for param in kernel["params"]:
            kind, t = param["kind"], given(param["operand"]) if param["kind"] in ("operand", "map") else None
            if kind == "operand" and t is None:
                blobs.append((16, b"\0" * 144))
            elif kind == "operand":
                sizes = [number(s, s != b) for s, b in zip(t.shape, bounds[param["operand"]])]
                rank = max(len(sizes), 1)
                blob = struct.pack("<Qq", t.data_ptr(), 0) + struct.pack(f"<{rank}q", *(sizes or [0])) + struct.pack(f"<{rank}q", *(t.stride() or [0]))
                blobs.append((8, blob))
            elif kind == "map":
                blobs.append((64, tensor_map(param, t, bounds[param["operand"]])))
            elif kind == "workspace":
                self.keep.append(torch.empty(max(kernel["workspace"], 256), dtype=torch.uint8, device="cuda"))
                blobs.append((8, struct.pack("<Q", self.keep[-1].data_ptr())))
            elif kind == "counters":
                self.keep.append(torch.zeros(max(kernel["counters"], 1), dtype=torch.int32, device="cuda"))
                self.counters = self.keep[-1]
                blobs.append((8, struct.pack("<Q", self.keep[-1].data_ptr())))
            else:
                blobs.append(None)
        self.keep.append(torch.tensor(step or [0], dtype=torch.int64, device="cuda"))
        blobs = [b or (8, struct.pack("<Q", self.keep[-1].data_ptr())) for b in blobs]
        self.buffers = []
        for align, blob in blobs:
            raw = (ctypes.c_byte * (len(blob) + align))()
            at = (ctypes.addressof(raw) + align - 1) // align * align
            ctypes.memmove(at, blob, len(blob))
            self.buffers.append((raw, at))
        self.params = (ctypes.c_void_p * len(blobs))(*[at for _, at in self.buffers])
        attributes = []
        if kernel["cluster"] > 1:
            attributes.append(Attribute(4, 0, (ctypes.c_uint * 16)(kernel["cluster"], 1, 1)))
        if overlap and kernel["overlaps"]:
            attributes.append(Attribute(6, 0, (ctypes.c_uint * 16)(1)))
        self.attributes = (Attribute * max(len(attributes), 1))(*attributes)
        self.config = Config((ctypes.c_uint * 3)(*kernel["grid"]), (ctypes.c_uint * 3)(kernel["block"], 1, 1), kernel["shared"], None,
                             self.attributes, len(attributes))

    def __call__(self):
        if 0 in self.kernel["grid"]:
            return
        self.config.stream = torch.cuda.current_stream().cuda_stream
        check(CUDA.cuLaunchKernelEx(ctypes.byref(self.config), self.function, self.params, None), self.kernel["plan"])


class Graph:
    """A captured graph; holds what its kernels use, which the graph itself does not."""
    def __init__(self, graph, calls):
        self.replay, self.keep = graph.replay, (graph, calls)


def graph_of(calls):
    for call in calls[:2]:
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            call()
    return Graph(graph, calls)


def race(runs, rounds=21):
    """Median microseconds of each graph's replay, run in turn, there and back, so that all see the same clocks."""
    marks = {name: [] for name in runs}
    order = list(runs)
    for _ in range(rounds + 1):
        for name in order:
            a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            a.record()
            runs[name].replay()
            b.record()
            marks[name].append((a, b))
        order.reverse()
    torch.cuda.synchronize()
    return {name: sorted(a.elapsed_time(b) for a, b in m[1:])[rounds // 2] * 1e3 for name, m in marks.items()}


def compile_beside(name):
    """The module of a .cu file of this folder."""
    source, image = pathlib.Path(__file__).with_name(f"{name}.cu"), pathlib.Path(tempfile.gettempdir()) / f"{name}.cubin"
    subprocess.run(["nvcc", "-gencode=arch=compute_90a,code=sm_90a", "-cubin", "-o", str(image), str(source)], check=True)
    return Module(image)


def shared_poison():
    """A call that fills the shared memory of every SM with NaN, so that a kernel that reads what it has not written shows."""
    most = 227 << 10
    f = compile_beside("poison").function("poison", most)
    sms, words = torch.cuda.get_device_properties(0).multi_processor_count, ctypes.c_int(most // 4)
    params = (ctypes.c_void_p * 1)(ctypes.addressof(words))

    def launch(_keep=words):
        check(CUDA.cuLaunchKernel(f, sms, 1, 1, 1024, 1, 1, most, ctypes.c_void_p(torch.cuda.current_stream().cuda_stream), params, None), "poison")
    return launch


def read_ceiling(tensor):
    """GB/s of the best plain read of a tensor of several GiB: the denominator of every share."""
    module, out, size = compile_beside("read"), torch.zeros(1, dtype=torch.int32, device="cuda"), tensor.numel() * tensor.element_size()
    values = [ctypes.c_uint64(tensor.data_ptr()), ctypes.c_int64(size // 16), ctypes.c_uint64(out.data_ptr())]
    params = (ctypes.c_void_p * 3)(*[ctypes.addressof(v) for v in values])

    def launch(name, blocks):
        f = module.function(name, 0)
        return lambda: check(CUDA.cuLaunchKernel(f, blocks, 1, 1, 512, 1, 1, 0, ctypes.c_void_p(torch.cuda.current_stream().cuda_stream), params, None), name)
    graphs = {f"{n} x{b}": graph_of([launch(n, 132 * b)] * 2) for n in ("read4", "read8") for b in (2, 4)}
    return max(2 * size / us * 1e-3 for us in race(graphs, 21).values())


def load(folder):
    return json.loads((pathlib.Path(folder) / "kernels.json").read_text())


def load_modules(folder, kernels, paused=False):
    torch.zeros(1, device="cuda")  # makes the context
    files = {k["file"] for plans in kernels for k in plans}
    return {f: Module(image_of(folder, f, paused)) for f in files}
