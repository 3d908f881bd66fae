// Continues a text with a compiled decoder from C++; a text is token ids here (see sluice-run for tokenizers).
//
//   c++ -std=c++17 embed.cpp -I PREFIX/include/sluice -L PREFIX/lib -lsluice -o embed && ./embed model.sluice 1 2 3
#include <cstdlib>
#include <iostream>

#include "runtime.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: embed MODEL.sluice TOKEN...\n";
    return 2;
  }
  auto model = sluice::Model::Open(argv[1]);
  if (!model.ok()) {
    std::cerr << "embed: error: " << model.status().message() << "\n";
    return 1;
  }
  for (const sluice::Port& port : model->inputs()) {
    std::cout << "input " << port.name << ", role " << port.role << "\n";
  }
  auto context = model->NewContext();
  if (!context.ok()) {
    std::cerr << "embed: error: " << context.status().message() << "\n";
    return 1;
  }
  std::vector<int64_t> prompt;
  for (int i = 2; i < argc; ++i) {
    prompt.push_back(std::atoll(argv[i]));
  }
  const sluice::Status status = context->Generate(prompt, {.max_tokens = 16}, [](int64_t token) {
    std::cout << token << " " << std::flush;
    return true;
  });
  std::cout << "\n";
  if (!status.ok()) {
    std::cerr << "embed: error: " << status.message() << "\n";
    return 1;
  }
  return 0;
}
