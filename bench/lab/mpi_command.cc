// SPDX-License-Identifier: Apache-2.0
// thinwire-lab mpirun: one mpirun in the namespace of rank 0. Where it would call ssh it calls us
// (RunRsh), and we enter the namespace of the host it names through the descriptor that the lab
// process holds. Each rank becomes the command by way of RunRank.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lab_commands.h"

namespace thinwire::lab {
namespace {

// Paths of the namespaces, by rank, blank-separated: /proc/PID/fd/N of the lab process.
constexpr const char* kNamespacesVariable = "THINWIRE_LAB_NAMESPACES";
constexpr const char* kDirectoryVariable = "THINWIRE_LAB_DIRECTORY";

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "thinwire-lab-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) ThrowErrno(name);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// Each host has a directory for temporary files of its own: Open MPI's daemons clash when several
// hosts share one. (Its own setting for this would be passed on from the first host to all.)
void UseTemporaryDirectory(const std::string& base, const std::string& host) {
  const std::string path = base + "/" + host;
  std::filesystem::create_directories(path);
  setenv("TMPDIR", path.c_str(), 1);
}

std::string HostFile(const std::string& directory) { return directory + "/hosts"; }

// A rank writes straight to us: through mpirun its output would take the emulated links.
std::string FifoName(const std::string& directory, const std::string& rank, int target) {
  return fmt::format("{}/{}.{}", directory, rank, target);
}

void ShowRank(RankProcesses* processes, const std::string& directory, int rank, int target) {
  const std::string name = FifoName(directory, std::to_string(rank), target);
  if (!processes->Shown(rank)) {
    std::filesystem::create_symlink("/dev/null", name);
    return;
  }
  if (mkfifo(name.c_str(), 0600) != 0) ThrowErrno(name);
  // Open for writing too, or it would be at its end before the rank opens it.
  UniqueFd source(open(name.c_str(), O_RDWR | O_CLOEXEC));
  if (!source.valid()) ThrowErrno(name);
  processes->ShowOutput(rank, std::move(source), target);
}

std::vector<std::string> MpiCommand(const LabOptions& options, const std::string& directory) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> given;
  for (const std::string& argument : options.mpi_arguments) {
    for (std::string& word : Words(argument)) given.push_back(std::move(word));
  }
  std::vector<std::string> command = {
      "mpirun", "-np", std::to_string(options.network.links.ranks()), "--hostfile",
      HostFile(directory),
      // Hosts share the cores: each would bind its rank to the first one.
      "--bind-to", "none"};
  if (geteuid() == 0) command.push_back("--allow-run-as-root");
  const std::pair<const char*, std::string> parameters[] = {
      {"plm", "rsh"},
      {"plm_rsh_agent", fmt::format("{} {}", self, kRshName)},
      {"pml", "ob1"},
      {"plm_rsh_no_tree_spawn", "1"},
      {"btl", "self,tcp"},
      {"btl_tcp_if_include", kInterface},
      {"oob_tcp_if_include", kInterface}};
  for (const auto& [name, value] : parameters) {
    if (std::find(given.begin(), given.end(), name) != given.end()) continue;
    command.insert(command.end(), {"--mca", name, value});
  }
  for (const auto& variable : SharedEnvironment(options)) {
    command.insert(command.end(), {"-x", variable.first});
  }
  command.insert(command.end(), {"-x", kDirectoryVariable});
  command.insert(command.end(), given.begin(), given.end());
  command.insert(command.end(), {self, std::string(kRankName)});
  command.insert(command.end(), options.command.begin(), options.command.end());
  return command;
}

}  // namespace

int RunMpi(const LabOptions& options) {
  BlockSignals();
  EmulatedNetwork network(options.network);
  const TemporaryDirectory directory;
  std::string namespaces;
  {
    std::ofstream hosts(HostFile(directory.path()));
    for (int rank = 0; rank < network.ranks(); ++rank) {
      hosts << AddressOf(rank) << " slots=1\n";
      namespaces += fmt::format("/proc/{}/fd/{} ", getpid(), network.netns(rank));
    }
  }
  UseTemporaryDirectory(directory.path(), "0");
  RankProcesses processes(options.supervise);
  for (int rank = 0; rank < network.ranks(); ++rank) {
    ShowRank(&processes, directory.path(), rank, STDOUT_FILENO);
    ShowRank(&processes, directory.path(), rank, STDERR_FILENO);
  }
  ProcessSpec spec{network.netns(0), std::nullopt, MpiCommand(options, directory.path()),
                   SharedEnvironment(options)};
  spec.environment.emplace_back(kNamespacesVariable, namespaces);
  spec.environment.emplace_back(kDirectoryVariable, directory.path());
  processes.Start(spec);
  const int status = processes.Wait();
  Report(network.Stop(), options.stats);
  return status;
}

int RunRsh(int argc, char** argv) {
  const char* namespaces = getenv(kNamespacesVariable);
  const char* directory = getenv(kDirectoryVariable);
  if (argc < 2 || namespaces == nullptr || directory == nullptr) {
    throw LabError("this is for mpirun, started by thinwire-lab", kExitUsage);
  }
  const std::vector<std::string> paths = Words(namespaces);
  size_t rank = 0;
  while (rank < paths.size() && AddressOf(static_cast<int>(rank)) != argv[0]) ++rank;
  if (rank == paths.size()) throw LabError(fmt::format("no host {}", argv[0]), kExitUsage);
  UseTemporaryDirectory(directory, std::to_string(rank));
  const UniqueFd netns(open(paths[rank].c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns.valid() || !EnterHost(netns.get())) ThrowErrno(paths[rank]);
  // As ssh does: the words are joined and given to a shell.
  std::string line;
  for (int i = 1; i < argc; ++i) line.append(line.empty() ? "" : " ").append(argv[i]);
  execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
  ThrowErrno("/bin/sh");
}

int RunRank(char** argv) {
  const char* rank = getenv("OMPI_COMM_WORLD_RANK");
  const char* directory = getenv(kDirectoryVariable);
  if (rank == nullptr || directory == nullptr) {
    throw LabError("this is for mpirun, started by thinwire-lab", kExitUsage);
  }
  setenv("RANK", rank, 1);
  for (const int target : {STDOUT_FILENO, STDERR_FILENO}) {
    const UniqueFd fifo(open(FifoName(directory, rank, target).c_str(), O_WRONLY | O_CLOEXEC));
    if (!fifo.valid() || dup2(fifo.get(), target) < 0) ThrowErrno("the output of a rank");
  }
  execvp(argv[0], argv);
  ThrowErrno(argv[0]);
}

}  // namespace thinwire::lab
