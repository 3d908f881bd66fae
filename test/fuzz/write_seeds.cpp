// Writes the seeds of every target linked in: DIR/TARGET/N.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "test/fuzz/target.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_seeds DIR\n");
    return 2;
  }
  for (const sluice::fuzz::Target& target : sluice::fuzz::Targets()) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / target.name;
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const std::string& seed : target.seeds()) {
      std::ofstream(folder / std::to_string(number++), std::ios::binary) << seed;
    }
  }
}
