#include <algorithm>

#include "runtime/exec/decode.h"

namespace sluice::exec {
namespace {

constexpr int kBits = 63;  // below kAlways

void NumberOutputs(FunctionDesc& main) {
  for (BufferDesc& buffer : main.buffers) {
    buffer.serves = buffer.kind == BufferKind::kState ? kAlways : 0;
  }
  int bit = 0;
  for (PortDesc& port : main.outputs) {
    if (port.state < 0) {
      port.bit = uint64_t{1} << std::min(bit++, kBits - 1);
    }
    if (port.buffer >= 0) {
      main.buffers[port.buffer].serves |= port.bit;
    }
  }
}

}  // namespace

// From the last instruction to the first: it serves whoever needs what it writes, and they need what it reads.
void AssignServed(FunctionDesc& main) {
  NumberOutputs(main);
  for (size_t i = main.instrs.size(); i-- > 0;) {
    InstrDesc& instr = main.instrs[i];
    const bool call = instr.kind == InstrKind::kIf || instr.kind == InstrKind::kLoop;
    instr.serves = call || instr.counts_begin < instr.counts_end ? kAlways : 0;
    for (uint32_t v = instr.outs; v < instr.end; ++v) {
      instr.serves |= main.views[v].buffer < 0 ? 0 : main.buffers[main.views[v].buffer].serves;
    }
    for (uint32_t v = instr.ins; v < instr.end; ++v) {
      if (main.views[v].buffer >= 0) {
        main.buffers[main.views[v].buffer].serves |= instr.serves;
      }
    }
  }
}

}  // namespace sluice::exec
