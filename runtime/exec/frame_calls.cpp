// If and Loop: sub-programs called by index.
#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/exec/copy.h"
#include "runtime/exec/frame.h"

namespace sluice::exec {

using kernels::Tensor;

absl::Status Frame::Call(int32_t function, std::span<const Tensor> args, std::span<const Memory> outputs) {
  RETURN_IF_ERROR(engine_.sizes.BindCall(function, args));
  return engine_.frames[function]->Run(args, outputs);
}

absl::Status Frame::If(const InstrDesc& instr) {
  const bool condition = *tensors_[instr.ins].as<uint8_t>() != 0;
  const int32_t function = condition ? instr.then_function : instr.else_function;
  const size_t results = instr.end - instr.outs;
  call_memory_.assign(results, Memory{});
  // Where all sizes are known already the branch writes its results in place.
  if (instr.begins_stage < 0) {
    if (!Fill(instr.outs, instr.end)) {
      return BadView(instr);
    }
    for (size_t i = 0; i < results; ++i) {
      const Tensor& t = tensors_[instr.outs + i];
      call_memory_[i] = IsDense(t) ? Memory{t.as<uint8_t>(), DenseBytes(t)} : Memory{};
    }
  }
  const std::span<const Tensor> all = tensors_;
  RETURN_IF_ERROR(Call(function, all.subspan(instr.ins + 1, instr.outs - instr.ins - 1), call_memory_));
  call_results_.clear();
  for (size_t i = 0; i < results; ++i) {
    RETURN_IF_ERROR(engine_.frames[function]->ToHost(i));
    call_results_.push_back(engine_.frames[function]->Output(i));
  }
  return FinishCall(instr, call_results_);
}

// Binds what the results decide, places the buffers that waited for it, and moves the results there.
absl::Status Frame::FinishCall(const InstrDesc& instr, std::span<const Tensor> results) {
  if (instr.begins_stage >= 0) {
    for (uint32_t r = instr.results_begin; r < instr.results_end; ++r) {
      const ResultSymbol& bind = function_.results[r];
      engine_.sizes.Set(bind.symbol, results[bind.result].sizes[bind.dim]);
    }
    engine_.sizes.Evaluate();
    RETURN_IF_ERROR(EnterStage(instr.begins_stage));
  }
  if (!Fill(instr.outs, instr.end)) {
    return BadView(instr);
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const Tensor& out = tensors_[instr.outs + i];
    if (!std::equal(out.sizes.begin(), out.sizes.begin() + out.rank, results[i].sizes.begin())) {
      return At(instr, absl::InvalidArgumentError(
                           absl::StrFormat("result %d of a sub-program has not the size that was promised "
                                           "(compile the model again)",
                                           i)));
    }
    CopyTensor(results[i], out);
  }
  return absl::OkStatus();
}

absl::Status Frame::Loop(const InstrDesc& instr) {
  LoopValues& loop = loops_[instr.loop];
  const size_t results = instr.end - instr.outs;
  while (loop.values.size() < results) {
    loop.values.emplace_back(&engine_.counters);
  }
  const std::span<const Tensor> ins(tensors_.data() + instr.ins, instr.outs - instr.ins);
  loop.args.assign(ins.begin(), ins.end());
  for (size_t i = 0; i < results; ++i) {
    loop.values[i].filled = 0;
    if (i < instr.carried) {
      loop.values[i].tensor = ins[2 + i];
    }
  }
  int64_t iterations = 0;
  RETURN_IF_ERROR(LoopBody(instr, loop, iterations));
  return FinishLoop(instr, loop, iterations);
}

absl::Status Frame::LoopBody(const InstrDesc& instr, LoopValues& loop, int64_t& iterations) {
  const Tensor& trip = loop.args[0];
  const int64_t limit = trip.present() ? *trip.as<int64_t>() : std::numeric_limits<int64_t>::max();
  uint8_t condition = loop.args[1].present() ? *loop.args[1].as<uint8_t>() : 1;
  Frame& body = *engine_.frames[instr.then_function];
  const size_t results = instr.end - instr.outs;
  const auto scalar = [&](DType dtype, void* data) {
    Tensor t;
    t.dtype = dtype;
    t.data = data;
    t.rank = static_cast<int>(
        engine_.program.functions[instr.then_function].inputs[dtype == DType::kI64 ? 0 : 1].sizes.size());
    std::fill_n(t.sizes.begin(), t.rank, 1);
    return t;
  };
  for (iterations = 0; iterations < limit && condition != 0; ++iterations) {
    int64_t number = iterations;
    loop.args[0] = scalar(DType::kI64, &number);
    loop.args[1] = scalar(DType::kBool, &condition);
    for (size_t i = 0; i < instr.carried; ++i) {
      loop.args[2 + i] = loop.values[i].tensor;
    }
    call_memory_.assign(results + 1, Memory{});
    RETURN_IF_ERROR(Call(instr.then_function, loop.args, call_memory_));
    RETURN_IF_ERROR(body.ToHost(0));
    condition = *body.Output(0).as<uint8_t>();
    RETURN_IF_ERROR(KeepResults(instr, loop, body, iterations));
  }
  return absl::OkStatus();
}

// The body's results lie in its frame, where the next iteration will write: carried values are kept until then, the
// others are stacked.
absl::Status Frame::KeepResults(const InstrDesc& instr, LoopValues& loop, Frame& body, int64_t iteration) {
  for (size_t i = 0; i < instr.end - instr.outs; ++i) {
    RETURN_IF_ERROR(body.ToHost(i + 1));
    const bool carried = i < instr.carried;
    LoopValues::Value& value = loop.values[i];
    Block& memory = value.memory[carried ? iteration % 2 : 0];
    const Tensor out = body.Output(i + 1);
    const int64_t bytes = DenseBytes(out);
    const int64_t at = carried ? 0 : value.filled;
    if (!carried && iteration > 0 &&
        !std::equal(out.sizes.begin(), out.sizes.begin() + out.rank, value.tensor.sizes.begin())) {
      return At(instr, absl::InvalidArgumentError("a stacked value changes its size from one iteration to the next"));
    }
    if (at + bytes > memory.bytes()) {
      RETURN_IF_ERROR(memory.Grow(std::max(at + bytes, 2 * memory.bytes()), at));
    }
    value.tensor = out;
    SetDenseStrides(value.tensor);
    value.tensor.data = memory.data() + at;
    CopyTensor(out, value.tensor);
    value.filled = at + bytes;
  }
  return absl::OkStatus();
}

absl::Status Frame::FinishLoop(const InstrDesc& instr, LoopValues& loop, int64_t iterations) {
  const std::vector<PortDesc>& ports = engine_.program.functions[instr.then_function].outputs;
  call_results_.clear();
  for (size_t i = 0; i < instr.end - instr.outs; ++i) {
    Tensor t = loop.values[i].tensor;
    if (i >= instr.carried) {
      const PortDesc& port = ports[i + 1];
      t.dtype = port.dtype;
      t.rank = static_cast<int>(port.sizes.size()) + 1;
      for (int d = t.rank - 1; d > 0; --d) {
        t.sizes[d] = iterations > 0 ? t.sizes[d - 1] : std::max<int64_t>(0, engine_.sizes.slots()[port.sizes[d - 1]]);
      }
      t.sizes[0] = iterations;
      t.data = loop.values[i].memory[0].data();
    }
    SetDenseStrides(t);
    call_results_.push_back(t);
  }
  return FinishCall(instr, call_results_);
}

}  // namespace sluice::exec
