// One reader of bytes from outside: inputs it accepts, and a call that has to come back whatever the bytes are.
//
//   namespace { std::vector<std::string> Seeds() {...}  void Run(std::string_view bytes) {...} }
//   SLUICE_FUZZ_TARGET(npy, Seeds, Run)
//
// Preset `fuzz` makes a libFuzzer executable of each (scripts/run_fuzz.sh); without it replay_test.cpp runs seeds and
// random changes of them.
#ifndef SLUICE_TEST_FUZZ_TARGET_H_
#define SLUICE_TEST_FUZZ_TARGET_H_

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::fuzz {

struct Target {
  const char* name;
  std::vector<std::string> (*seeds)();
  void (*run)(std::string_view bytes);
};

// Those linked into this executable.
inline std::vector<Target>& Targets() {
  static auto* targets = new std::vector<Target>;
  return *targets;
}
struct Registration {
  explicit Registration(const Target& target) { Targets().push_back(target); }
};

inline std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
// A file of this process in the temporary folder, for readers that take a path.
inline std::string ScratchFile(const std::string& name, std::string_view bytes) {
  static const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("sluice_fuzz_" + std::to_string(getpid()));
  static const struct Remover {
    ~Remover() { std::filesystem::remove_all(folder); }
  } remover;
  std::filesystem::create_directories(folder);
  const std::string path = (folder / name).string();
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}
inline std::string Text(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace sluice::fuzz

#define SLUICE_FUZZ_TARGET(name, seeds, run)                                   \
  static const ::sluice::fuzz::Registration registration({#name, seeds, run}); \
  SLUICE_FUZZ_ENTRY(run)

#ifdef SLUICE_LIBFUZZER
#define SLUICE_FUZZ_ENTRY(run)                                              \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    run(std::string_view(reinterpret_cast<const char*>(data), size));       \
    return 0;                                                               \
  }
#else
#define SLUICE_FUZZ_ENTRY(run)
#endif

#endif  // SLUICE_TEST_FUZZ_TARGET_H_
