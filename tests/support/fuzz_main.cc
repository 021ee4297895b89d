// SPDX-License-Identifier: Apache-2.0
//
// The main of a fuzz target that is built without libFuzzer. PROGRAM RUNS FOLDER...: as many random
// mutations of the files, the same in every run.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Random = std::mt19937_64;

size_t Below(size_t limit, Random& random) { return limit == 0 ? 0 : random() % limit; }

std::string Mutate(std::string bytes, const std::vector<std::string>& corpus, Random& random) {
  for (size_t changes = 1 + Below(4, random); changes > 0; --changes) {
    const size_t at = Below(bytes.size(), random);
    switch (random() % 6) {
      case 0:  // a bit
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
        break;
      case 1:  // a byte
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
        break;
      case 2:  // shorter
        bytes.resize(at);
        break;
      case 3:  // longer
        bytes.insert(at, Below(100, random), static_cast<char>(random()));
        break;
      case 4: {  // a number at the edge of its range
        const uint32_t edges[] = {0, 1, 0x7fffffff, 0xffffffff, 16u << 20, (16u << 20) + 1};
        const uint32_t value = edges[Below(std::size(edges), random)];
        if (at + sizeof(value) <= bytes.size()) {
          bytes.replace(at, sizeof(value), reinterpret_cast<const char*>(&value), sizeof(value));
        }
        break;
      }
      default:  // the beginning of this and the end of another
        bytes = bytes.substr(0, at) + corpus[Below(corpus.size(), random)].substr(0, 500);
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s RUNS FOLDER...\n", argv[0]);
    return 2;
  }
  std::vector<std::string> corpus;
  for (int i = 2; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      if (entry.path().extension() != ".bin") continue;
      corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no .bin files to begin with\n", argv[0]);
    return 1;
  }
  std::sort(corpus.begin(), corpus.end());
  Random random(1);
  const int runs = std::atoi(argv[1]);
  for (int run = 0; run < runs; ++run) {
    const std::string input = Mutate(corpus[Below(corpus.size(), random)], corpus, random);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
  std::printf("%d inputs from %zu files\n", runs, corpus.size());
  return 0;
}
