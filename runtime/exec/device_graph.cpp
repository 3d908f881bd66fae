// DeviceFrame: parameters of launches, and CUDA graphs of segments.
#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "runtime/artifact/format.h"
#include "runtime/artifact/verify.h"
#include "runtime/exec/device_frame.h"
#include "runtime/exec/engine.h"
#include "runtime/exec/frame.h"

namespace sluice::exec {

using cuda::Driver;

// A number as kernels read it (kernels/device/step.cuh): itself, or ~position in the step block.
int64_t DeviceFrame::Number(uint32_t slot) const {
  const int64_t value = engine_.sizes.slots()[slot];
  return engine_.program.slot_constant[slot] != 0 && value >= 0 ? value : ~static_cast<int64_t>(slot);
}

int64_t DeviceFrame::Derive(uint32_t view, int dim) {
  derived_.push_back({view, dim});
  return ~static_cast<int64_t>(engine_.sizes.slots().size() + derived_.size() - 1);
}

int64_t DeviceFrame::OffsetNumber(uint32_t v) {
  const ViewDesc& view = function_.views[v];
  if (function_.buffers[view.buffer].kind == BufferKind::kState) {
    return view.start < 0 ? 0 : Derive(v, -1);
  }
  int64_t bytes = 0;
  bool constant = true;
  const auto add = [&](uint32_t slot, int bits) {
    constant = constant && engine_.program.slot_constant[slot] != 0;
    bytes += engine_.sizes.slots()[slot] * bits / 8;
  };
  if (view.offset >= 0) {
    add(static_cast<uint32_t>(view.offset), BitWidth(view.dtype));
  }
  for (uint32_t a = view.alias_begin; a < view.alias_end; ++a) {
    add(function_.alias_offsets[a], 8);
  }
  return constant && bytes >= 0 ? bytes : Derive(v, -1);
}

int64_t DeviceFrame::StrideNumber(uint32_t v, int dim) {
  const ViewDesc& view = function_.views[v];
  if (function_.buffers[view.buffer].kind == BufferKind::kState) {
    return Derive(v, dim);
  }
  if (!view.dense) {
    return Number(view.strides[dim]);
  }
  const std::vector<uint32_t> inner(view.sizes.begin() + dim + 1, view.sizes.begin() + view.rank);
  int64_t product = 1;
  bool constant = true;
  for (uint32_t slot : inner) {
    constant = constant && engine_.program.slot_constant[slot] != 0;
    product *= constant ? engine_.sizes.slots()[slot] : 1;
  }
  if (constant) {
    return product;
  }
  const auto found = dense_strides_.find(inner);
  return found != dense_strides_.end() ? found->second : dense_strides_[inner] = Derive(v, dim);
}

// Gives every view of a launch on the device its numbers.  Constants were evaluated when the context was made.
void DeviceFrame::NumberViews() {
  offsets_.resize(function_.views.size(), 0);
  strides_.resize(function_.views.size());
  for (const InstrDesc& instr : function_.instrs) {
    for (uint32_t v = instr.ins; instr.kind == InstrKind::kDevice && v < instr.end; ++v) {
      const ViewDesc& view = function_.views[v];
      if (view.buffer < 0) {
        continue;
      }
      offsets_[v] = OffsetNumber(v);
      for (int d = 0; d < view.rank; ++d) {
        strides_[v][d] = StrideNumber(v, d);
      }
    }
  }
}

void DeviceFrame::FindMapStrides() {
  map_strides_.resize(function_.segments.size());
  for (size_t s = 0; s < function_.segments.size(); ++s) {
    for (uint32_t i = function_.segments[s].begin; i < function_.segments[s].end; ++i) {
      const InstrDesc& instr = function_.instrs[i];
      std::set<std::pair<uint32_t, int>> found;
      for (const DeviceForm& form : instr.forms) {
        for (const fb::CudaParam* param : artifact::List(form.cuda->params())) {
          const uint32_t v = instr.ins + param->operand();
          const auto runs = artifact::List(param->runs());
          for (int64_t d = 1; param->kind() == fb::CudaParamKind::TensorMap && d < runs.size(); d += 2) {
            if (strides_[v][runs[d]] < 0 && found.insert({v, runs[d]}).second) {
              map_strides_[s].push_back({v, runs[d]});
            }
          }
        }
      }
    }
  }
}

absl::Status DeviceFrame::At(const InstrDesc& instr, const absl::Status& status) const {
  std::string nodes;
  for (const std::string& node : instr.nodes) {
    absl::StrAppend(&nodes, nodes.empty() ? "" : ", ", node);
  }
  return absl::Status(status.code(), absl::StrFormat("%s: kernel %s: %s", nodes.empty() ? "-" : nodes,
                                                     instr.kernel_name, std::string(status.message())));
}

absl::Status DeviceFrame::AddTensorMap(const InstrDesc& instr, const fb::CudaParam& param, Launch& launch) {
  // CUtensorMapDataType, by element type.
  static const std::map<DType, int> kTypes = {{DType::kU8, 0},  {DType::kI8, 0},  {DType::kBool, 0}, {DType::kU16, 1},
                                              {DType::kU32, 2}, {DType::kI32, 3}, {DType::kU64, 4},  {DType::kI64, 5},
                                              {DType::kF16, 6}, {DType::kF32, 7}, {DType::kF64, 8},  {DType::kBF16, 9}};
  const uint32_t v = instr.ins + param.operand();
  const ViewDesc& view = function_.views[v];
  const auto type = kTypes.find(view.dtype);
  const auto runs = artifact::List(param.runs());
  const int rank = static_cast<int>(runs.size() / 2);
  if (view.buffer < 0 || type == kTypes.end() || rank < 1 || rank > 5 || offsets_[v] < 0) {
    return absl::InvalidArgumentError("an operand cannot have a tensor map (compile the model again)");
  }
  const std::vector<int64_t>& bound = stages_[instr.stage].plan->bound;
  uint64_t sizes[5];
  uint64_t strides[5];
  uint32_t box[5];
  uint32_t steps[5] = {1, 1, 1, 1, 1};
  const auto windows = artifact::List(param.windows());
  for (int i = 0; i < rank; ++i) {  // innermost first
    const int first = runs[2 * (rank - 1 - i)];
    const int last = runs[2 * (rank - 1 - i) + 1];
    sizes[i] = 1;
    for (int d = first; d <= last; ++d) {
      sizes[i] *= static_cast<uint64_t>(std::max<int64_t>(1, bound[view.sizes[d]]));
    }
    const int64_t stride = strides_[v][last] >= 0 ? strides_[v][last] : tensors_[v].strides[last];
    strides[i] = static_cast<uint64_t>(stride * BitWidth(view.dtype) / 8);
    if (windows.size() == 0) {
      box[i] = param.box()->Get(static_cast<uint32_t>(rank - 1 - i));
    }
  }
  if (param.reach() > 0 && rank > 1) {
    uint64_t last = static_cast<uint64_t>(offsets_[v]);  // matrix of a batch
    for (int i = 2; i < rank; ++i) {
      last += (sizes[i] - 1) * strides[i];
    }
    sizes[1] = RowsWithin(sizes[1], param.reach(), strides[1], BytesFrom(static_cast<uint32_t>(view.buffer)), last);
  }
  alignas(64) cuda::CUtensorMap map;
  const Driver& cuda = device_.model.device().driver();
  const int swizzle = param.swizzle() == 128 ? 3 : param.swizzle() == 64 ? 2 : param.swizzle() == 32 ? 1 : 0;
  auto* const base = reinterpret_cast<void*>(addresses_[view.buffer] + static_cast<uint64_t>(offsets_[v]));
  constexpr int kNoInterleave = 0, kPromotion256 = 3, kZerosBeyond = 0;
  if (windows.size() == 0) {
    RETURN_IF_ERROR(cuda.Check(
        cuda.cuTensorMapEncodeTiled(&map, type->second, static_cast<unsigned>(rank), base, sizes, strides + 1, box,
                                    steps, kNoInterleave, swizzle, kPromotion256, kZerosBeyond),
        "cuTensorMapEncodeTiled"));
  } else {
    int begins[3];
    int ends[3];
    for (int i = 0; i < rank - 2; ++i) {  // innermost first
      const int64_t at = 3 * (rank - 3 - i);
      begins[i] = windows[at];
      ends[i] = windows[at + 1];
      steps[1 + i] = static_cast<uint32_t>(windows[at + 2]);
    }
    RETURN_IF_ERROR(
        cuda.Check(cuda.cuTensorMapEncodeIm2col(&map, type->second, static_cast<unsigned>(rank), base, sizes,
                                                strides + 1, begins, ends, param.box()->Get(1), param.box()->Get(0),
                                                steps, kNoInterleave, swizzle, kPromotion256, kZerosBeyond),
                   "cuTensorMapEncodeIm2col"));
  }
  launch.values.emplace_back(map.opaque, map.opaque + 16);
  return absl::OkStatus();
}

absl::Status DeviceFrame::AddParam(const InstrDesc& instr, const fb::CudaParam& param, Launch& launch) {
  const auto add = [&](std::vector<uint64_t> value) { launch.values.push_back(std::move(value)); };
  const uint32_t v = instr.ins + param.operand();
  switch (param.kind()) {
    case fb::CudaParamKind::Step:
      add({block_.address()});
      break;
    case fb::CudaParamKind::Workspace:
      add({stages_[instr.stage].workspace.address()});
      break;
    case fb::CudaParamKind::Counters:
      add({device_.counters.address()});
      break;
    case fb::CudaParamKind::Number:
      add({static_cast<uint64_t>(Number(function_.params[instr.params_begin + param.operand()]))});
      break;
    case fb::CudaParamKind::TensorMap:
      return AddTensorMap(instr, param, launch);
    case fb::CudaParamKind::Address:
    case fb::CudaParamKind::Operand: {
      if (param.operand() == artifact::kAbsentOperand) {
        add(std::vector<uint64_t>(2 + 2 * kernels::kMaxRank, 0));
        break;
      }
      const ViewDesc& view = function_.views[v];
      std::vector<uint64_t> arg = {view.buffer < 0 ? 0 : addresses_[view.buffer], static_cast<uint64_t>(offsets_[v])};
      if (param.kind() == fb::CudaParamKind::Operand) {
        const int rank = std::max<int>(1, view.rank);
        arg.resize(2 + 2 * kernels::kMaxRank, 0);  // the function knows how much of it is its own
        for (int d = 0; d < view.rank; ++d) {
          arg[2 + d] = static_cast<uint64_t>(Number(view.sizes[d]));
          arg[2 + rank + d] = static_cast<uint64_t>(strides_[v][d]);
        }
      }
      add(std::move(arg));
      break;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<DeviceFrame::Launch> DeviceFrame::Prepare(const InstrDesc& instr) {
  const std::vector<int64_t>& bound = stages_[instr.stage].plan->bound;
  const DeviceForm& form = FormFor(instr, bound);
  Launch launch{.kernel = form.cuda, .function = device_.model.function(form.function)};
  for (int i = 0; i < 3; ++i) {
    const int64_t blocks = bound[form.blocks[i]];
    if (blocks < 0 || blocks > (i == 0 ? std::numeric_limits<int32_t>::max() : 65535)) {
      return At(instr, absl::ResourceExhaustedError(absl::StrFormat("%d blocks (use smaller sizes)", blocks)));
    }
    launch.grid[i] = static_cast<unsigned>(blocks);
  }
  for (uint32_t v = instr.ins; v < instr.end; ++v) {
    if (const int32_t b = function_.views[v].buffer; b >= 0) {
      RETURN_IF_ERROR(Address(static_cast<uint32_t>(b)).status());
    }
  }
  for (const fb::CudaParam* param : artifact::List(form.cuda->params())) {
    if (const absl::Status status = AddParam(instr, *param, launch); !status.ok()) {
      return At(instr, status);
    }
  }
  for (std::vector<uint64_t>& value : launch.values) {
    launch.params.push_back(value.data());
  }
  return launch;
}

absl::Status DeviceFrame::AddNodes(const std::vector<Launch>& launches, cuda::CUgraph graph) {
  const Driver& cuda = device_.model.device().driver();
  cuda::CUgraphNode last = nullptr;
  for (const Launch& launch : launches) {
    const fb::CudaKernel& kernel = *launch.kernel;
    cuda::CUkernelNodeParams params = {};
    params.function = launch.function;
    std::copy(launch.grid.begin(), launch.grid.end(), params.grid);
    params.block[0] = kernel.block();
    params.block[1] = params.block[2] = 1;
    params.shared_bytes = kernel.shared();
    params.params = const_cast<void**>(launch.params.data());
    // A node that overlaps the one before it depends on its permission, not on its end.
    const bool overlaps = last != nullptr && kernel.overlaps_previous();
    cuda::CUgraphNode node = nullptr;
    RETURN_IF_ERROR(
        cuda.Check(cuda.cuGraphAddKernelNode_v2(&node, graph, &last, last != nullptr && !overlaps ? 1 : 0, &params),
                   "cuGraphAddKernelNode"));
    if (overlaps) {
      const cuda::CUgraphEdgeData edge = {.from_port = 1, .to_port = 0, .type = 1, .reserved = {}};
      RETURN_IF_ERROR(
          cuda.Check(cuda.cuGraphAddDependencies_v2(graph, &last, &node, &edge, 1), "cuGraphAddDependencies"));
    }
    if (kernel.cluster() > 1) {
      cuda::CUlaunchAttribute cluster = {};
      cluster.cluster = {kernel.cluster(), 1, 1};
      RETURN_IF_ERROR(cuda.Check(cuda.cuGraphKernelNodeSetAttribute(node, cuda::kLaunchCluster, &cluster.bytes),
                                 "cuGraphKernelNodeSetAttribute"));
    }
    last = node;
  }
  return absl::OkStatus();
}

absl::StatusOr<cuda::CUgraphExec> DeviceFrame::Build(const SegmentDesc& segment) {
  std::vector<Launch> launches;
  for (uint32_t i = segment.begin; i < segment.end; ++i) {
    if ((function_.instrs[i].serves & engine_.wanted) == 0) {
      continue;
    }
    ASSIGN_OR_RETURN(Launch launch, Prepare(function_.instrs[i]));
    if (launch.grid[0] > 0 && launch.grid[1] > 0 && launch.grid[2] > 0) {
      launches.push_back(std::move(launch));
    }
  }
  const Driver& cuda = device_.model.device().driver();
  cuda::CUgraph graph = nullptr;
  RETURN_IF_ERROR(cuda.Check(cuda.cuGraphCreate(&graph, 0), "cuGraphCreate"));
  absl::Status status = AddNodes(launches, graph);
  cuda::CUgraphExec exec = nullptr;
  if (status.ok()) {
    status = cuda.Check(cuda.cuGraphInstantiateWithFlags(&exec, graph, 0), "cuGraphInstantiate");
  }
  cuda.cuGraphDestroy(graph);
  if (!status.ok()) {
    return status;
  }
  return exec;
}

// Waits for it; how long it took, in nanoseconds.
absl::StatusOr<int64_t> DeviceFrame::LaunchAndWait(const Launch& launch) {
  if (launch.grid[0] == 0 || launch.grid[1] == 0 || launch.grid[2] == 0) {
    return 0;
  }
  const Driver& cuda = device_.model.device().driver();
  cuda::CUlaunchAttribute cluster = {};
  cluster.id = cuda::kLaunchCluster;
  cluster.cluster = {launch.kernel->cluster(), 1, 1};
  cuda::CUlaunchConfig config = {};
  std::copy(launch.grid.begin(), launch.grid.end(), config.grid);
  config.block[0] = launch.kernel->block();
  config.block[1] = config.block[2] = 1;
  config.shared_bytes = launch.kernel->shared();
  config.stream = device_.stream.get();
  config.attributes = &cluster;
  config.attribute_count = launch.kernel->cluster() > 1 ? 1 : 0;
  RETURN_IF_ERROR(device_.timer.Start(device_.stream));
  RETURN_IF_ERROR(
      cuda.Check(cuda.cuLaunchKernelEx(&config, launch.function, const_cast<void**>(launch.params.data()), nullptr),
                 "cuLaunchKernel"));
  RETURN_IF_ERROR(device_.timer.Stop(device_.stream));
  RETURN_IF_ERROR(device_.stream.Synchronize());
  return device_.timer.Elapsed();
}

// One kernel after the other, each waited for: errors and profiles name it.
absl::Status DeviceFrame::LaunchEach(const SegmentDesc& segment) {
  for (uint32_t i = segment.begin; i < segment.end; ++i) {
    const InstrDesc& instr = function_.instrs[i];
    if ((instr.serves & engine_.wanted) == 0) {
      continue;
    }
    ASSIGN_OR_RETURN(const Launch launch, Prepare(instr));
    const int64_t begin = engine_.observer == nullptr ? 0 : NowNs();
    const absl::StatusOr<int64_t> ns = LaunchAndWait(launch);
    if (!ns.ok()) {
      return At(instr, ns.status());
    }
    if (engine_.observer != nullptr) {
      const std::span<const kernels::Tensor> all = tensors_;
      engine_.observer->OnLaunch(function_, instr, all.subspan(instr.ins, instr.outs - instr.ins),
                                 all.subspan(instr.outs, instr.end - instr.outs), begin, begin + *ns);
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::exec
