// Idempotency-Key: a call that is repeated under the key it was first made with is carried out once, and answered as it
// was then, also after a restart. What was refused changed nothing, and is judged anew.
//
// The answer is stored together with what the call writes, so that there is no instant at which only one of the two
// would survive; an answer that says more than the revision is stored once more before it is given. Receipts are a
// caller's own, and kept for a day (admin/housekeeping.h).
//
// Any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/api_route.h"
#include "admin/publisher.h"
#include "admin/state_reader.h"

namespace hybridge {

class Receipts {
 public:
  Receipts(Publisher& publisher, StateReader& reader, std::function<std::int64_t()> now)
      : publisher_(publisher), reader_(reader), now_(std::move(now)) {}

  // Carries the call out, or gives the answer that it had. Reads the store: not on a loop.
  void answer(const ApiRoute& route, const std::shared_ptr<ApiRequest>& request, Answered answered);

 private:
  using Name = std::pair<std::string, std::string>;  // who, key
  struct UnderWay {
    Sha256 fingerprint{};
    std::vector<Answered> answered;  // the first, and those who repeated it meanwhile
  };

  void carry_out(const ApiRoute& route, const std::shared_ptr<ApiRequest>& request, const Name& name,
                 const Sha256& fingerprint);
  void finish(const Name& name, const ApiAnswer& answer);

  Publisher& publisher_;
  StateReader& reader_;
  const std::function<std::int64_t()> now_;
  std::mutex mutex_;
  std::map<Name, UnderWay> under_way_;
};

}  // namespace hybridge
