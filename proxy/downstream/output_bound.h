// Bounds what all answers of a worker keep for clients that do not take them. When it is too much, those clients end
// that have rested longest; who takes what it is given, however slowly, goes on.
//
// Part of a Downstream; its loop's thread only. Looks at connections only when much waits.
#pragma once

#include <vector>

#include "base/chunk.h"
#include "base/timer_wheel.h"
#include "proxy/downstream/downstream.h"

namespace hybridge {

// What so many bytes that wait take: a byte takes a whole chunk, and the last one is seldom full.
inline std::size_t memory_of_output(std::size_t bytes) {
  return bytes == 0 ? 0 : bytes + sizeof(Chunk);
}

class OutputBound final : private Timer::Owner {
 public:
  explicit OutputBound(Downstream& downstream);

  // Output has begun to wait for a client.
  void note();

 private:
  struct Resting {
    Duration rested;
    DownstreamConnection* connection;
  };

  void on_timer() override;
  void end_resting();

  Downstream& downstream_;
  Timer timer_;
  std::vector<Resting> resting_;
};

}  // namespace hybridge
