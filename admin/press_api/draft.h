// One job of the press API as the Publisher plans it: the steps it takes, by the names that the control plane knows
// them by, and what changes by it, seen from the newest tables with its own changes in them.
//
// Lives while a Plan is made, on the Publisher's thread. What is found wrong ends the job at the step it is at: nothing
// of it is done then, and nobody else notices.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/publisher.h"
#include "admin/records.h"
#include "admin/state_reader.h"

namespace hybridge {

class Draft {
 public:
  // `now`: Unix microseconds.
  Draft(const Tip& tip, StateReader& reader, const std::function<std::int64_t()>& now)
      : tip_(tip), reader_(reader), now_(now) {}

  void step(std::string name) {
    steps_.push_back(std::move(name));
    begun_.push_back(now_());
  }
  void reload() { step("Reload NGINX"); }
  const std::vector<std::string>& steps() const { return steps_; }
  const std::vector<std::int64_t>& begun() const { return begun_; }  // when each was

  std::optional<Server> server(const std::string& name) const;
  std::optional<Site> site(const std::string& name) const;
  std::optional<Host> host(const std::string& name) const;
  std::vector<std::string> sites_on(const std::string& server) const;

  void change(Change change);
  void put_certificate(std::shared_ptr<const CertificateRecord> certificate);
  void remove_certificate(const std::string& host);
  // What is stored for one name is from now on for another. kIo.
  Result<void> move_certificate(const std::string& from, const std::string& to);

  // What it comes to. kInvalid: the tables would not be right.
  Result<Plan> plan() const;

 private:
  using Key = std::pair<Change::Kind, std::string>;

  template <class Value>
  std::optional<Value> latest(Change::Kind kind, const std::string& name, std::optional<Value> known) const;

  const Tip& tip_;
  StateReader& reader_;
  const std::function<std::int64_t()>& now_;
  std::vector<std::string> steps_;
  std::vector<std::int64_t> begun_;
  std::map<Key, Change> changes_;
  std::map<std::string, std::shared_ptr<const CertificateRecord>> certificates_;  // null: removed
};

// What a job does, with a Draft of it. An error fails the job: its detail is what the control plane is told.
struct Job {
  std::string name;
  std::function<Result<void>(Draft&)> act;
  bool frees = false;       // takes away only: is in force even when it cannot be stored
  std::string data = "{}";  // JSON: of the job and its last step, when it succeeds
};

}  // namespace hybridge
