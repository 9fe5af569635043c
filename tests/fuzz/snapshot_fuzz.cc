// The reader of routing documents takes any bytes; what it accepts it writes so that it reads the same again.
#include <cstdint>
#include <cstdlib>

#include "routing/change.h"
#include "routing/snapshot_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace hybridge;
  const auto read = read_snapshot({reinterpret_cast<const char*>(bytes), size}, {64 * 1024, 16});
  if (!read.faults.empty()) return 0;
  const auto text = write_snapshot(read.snapshot);
  const auto again = read_snapshot(text);
  if (!again.faults.empty() || write_snapshot(again.snapshot) != text) std::abort();
  if (!difference(read.snapshot, again.snapshot).empty()) std::abort();
  read.snapshot.for_each_host([&](const std::string& name, const Host&) { (void)read.snapshot.find(name); });
  (void)dangling_references(read.snapshot);
  return 0;
}
