#include "runtime/exec/stale_views.h"

#include <map>

namespace sluice::exec {
namespace {

// Slots that a view's sizes, strides and place are read from.
std::vector<uint32_t> SlotsOf(const FunctionDesc& function, const ViewDesc& view) {
  std::vector<uint32_t> slots(view.sizes.begin(), view.sizes.begin() + view.rank);
  if (!view.dense) {
    slots.insert(slots.end(), view.strides.begin(), view.strides.begin() + view.rank);
  }
  if (view.offset >= 0) {
    slots.push_back(static_cast<uint32_t>(view.offset));
  }
  slots.insert(slots.end(), function.alias_offsets.begin() + view.alias_begin,
               function.alias_offsets.begin() + view.alias_end);
  return slots;
}

}  // namespace

StaleViews::StaleViews(const FunctionDesc& function, uint32_t begin, uint32_t end) {
  std::map<uint32_t, std::vector<uint32_t>> by_slot, by_buffer;
  for (uint32_t i = begin; i < end; ++i) {
    for (uint32_t v = function.instrs[i].ins; v < function.instrs[i].end; ++v) {
      const ViewDesc& view = function.views[v];
      if (view.buffer < 0) {
        continue;
      }
      all_.push_back(v);
      if (function.buffers[view.buffer].kind == BufferKind::kState) {
        of_caches_.push_back(v);
        continue;
      }
      by_buffer[static_cast<uint32_t>(view.buffer)].push_back(v);
      for (uint32_t slot : SlotsOf(function, view)) {
        by_slot[slot].push_back(v);
      }
    }
  }
  for (auto& [slot, views] : by_slot) {
    slots_.push_back({.index = slot, .followers = std::move(views)});
  }
  for (auto& [buffer, views] : by_buffer) {
    roots_.push_back({.index = buffer, .followers = std::move(views)});
  }
}

template <typename Value>
void StaleViews::Compare(std::vector<Source<Value>>& sources, std::span<const Value> now) {
  for (Source<Value>& source : sources) {
    if (!(source.value == now[source.index])) {
      source.value = now[source.index];
      found_.insert(found_.end(), source.followers.begin(), source.followers.end());
    }
  }
}

std::span<const uint32_t> StaleViews::Find(std::span<const int64_t> slots, std::span<const Memory> roots) {
  found_ = of_caches_;
  Compare(slots_, slots);
  Compare(roots_, roots);
  if (!known_) {
    known_ = true;
    return all_;
  }
  return found_;
}

}  // namespace sluice::exec
