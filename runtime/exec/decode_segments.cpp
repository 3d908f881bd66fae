#include <set>

#include "runtime/exec/decode.h"

namespace sluice::exec {
namespace {

// A buffer whose first instruction lies in the segment holds nothing before it.
bool HeldBefore(const BufferDesc& buffer, const SegmentDesc& segment) {
  return buffer.kind != BufferKind::kArena || buffer.first < segment.begin;
}

void Summarise(const FunctionDesc& function, SegmentDesc& segment) {
  std::set<uint32_t> needs;
  std::set<uint32_t> writes;
  for (uint32_t i = segment.begin; i < segment.end; ++i) {
    const InstrDesc& instr = function.instrs[i];
    segment.serves |= instr.serves;
    for (uint32_t v = instr.ins; v < instr.end; ++v) {
      const int32_t b = function.views[v].buffer;
      if (b < 0) {
        continue;
      }
      const BufferDesc& buffer = function.buffers[b];
      if (buffer.kind == BufferKind::kWeight || buffer.kind == BufferKind::kConstant) {
        continue;  // on the device since load
      }
      if (HeldBefore(buffer, segment)) {
        needs.insert(static_cast<uint32_t>(b));
      }
      if (v >= instr.outs) {
        writes.insert(static_cast<uint32_t>(b));
      }
    }
  }
  segment.needs.assign(needs.begin(), needs.end());
  segment.writes.assign(writes.begin(), writes.end());
}

}  // namespace

void AssignSegments(FunctionDesc& function) {
  for (uint32_t i = 0; i < function.instrs.size();) {
    if (function.instrs[i].kind != InstrKind::kDevice) {
      ++i;
      continue;
    }
    SegmentDesc& segment = function.segments.emplace_back();
    segment.begin = i;
    while (i < function.instrs.size() && function.instrs[i].kind == InstrKind::kDevice) {
      ++i;
    }
    segment.end = i;
    Summarise(function, segment);
  }
}

}  // namespace sluice::exec
