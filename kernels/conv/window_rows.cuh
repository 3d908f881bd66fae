// Rows of a GEMM's left operand that are windows over an image [batch, height, width, channels]: TMA walks them, the
// padding reads as zeros, and nothing is stored.  k is (tap, channel), in blocks of `kDepth` channels: 128 bytes.
#pragma once
#include "kernels/device/tma.cuh"
#include "kernels/device/window.cuh"

namespace sl {

template <int kDepth>
struct WindowRows {
  Window window;                // of two dimensions
  int height, width, channels;  // of the result; of the image, a multiple of kDepth

  struct Place {
    int w, h, batch;   // where the first window begins
    int tap, channel;  // right | down << 16
  };
  SL_DEVICE Place at(int row, int, int block) const {
    const int line = row / width, depth = block * kDepth, tap = depth / channels;
    return {row % width * window.stride[2] - window.pad[2], line % height * window.stride[1] - window.pad[1],
            line / height,
            tap % window.kernel[2] * window.dilation[2] | tap / window.kernel[2] * window.dilation[1] << 16,
            depth % channels};
  }
  SL_DEVICE void load(uint32_t to, const TensorMap& map, uint32_t bar, Place& at) const {
    tma_load_windows(to, map, bar, at.channel, at.w, at.h, at.batch, static_cast<uint16_t>(at.tap),
                     static_cast<uint16_t>(at.tap >> 16));
    at.channel += kDepth;
    if (at.channel == channels) {
      at.channel = 0;
      at.tap += window.dilation[2];
      const int end = window.kernel[2] * window.dilation[2];
      at.tap += (at.tap & 0xffff) == end ? (window.dilation[1] << 16) - end : 0;
    }
  }
};

}  // namespace sl
