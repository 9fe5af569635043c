// Listening sockets by what they were opened for (`https 0.0.0.0:443`): what one process hands over to the next, which
// adopts those that its own configuration names and closes the rest.
//
// Owned by whoever starts the process's listeners; that thread only.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace hybridge {

class ListeningSockets {
 public:
  // A name and its descriptors, which stay the property of those who listen on them.
  using Names = std::vector<std::pair<std::string, std::vector<int>>>;

  void add(const std::string& name, Descriptor descriptor) { sockets_[name].push_back(std::move(descriptor)); }
  // All that were opened for it, each once; empty: none.
  std::vector<Descriptor> take(const std::string& name) {
    const auto found = sockets_.find(name);
    if (found == sockets_.end()) return {};
    auto taken = std::move(found->second);
    sockets_.erase(found);
    return taken;
  }

 private:
  std::map<std::string, std::vector<Descriptor>> sockets_;
};

}  // namespace hybridge
