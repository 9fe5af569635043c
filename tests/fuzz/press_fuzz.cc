// Any call of the press API that asks for a job. What must hold: a call is refused with a sentence, or a job comes of
// it; a job fails with a sentence, or what it makes of the tables can be stored and read again, every record in its
// normal spelling; the same call made again finds nothing left to do.
//
// The input is a method and a path, a line feed, and the call's body, in which `KEY` and `LEAF` stand for a good key
// and certificate of a.test, as JSON has them.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/press_api/job_calls.h"
#include "admin/state_reader.h"
#include "admin/store.h"
#include "base/host_name.h"
#include "routing/json_reader.h"
#include "routing/snapshot_json.h"
#include "tests/fuzz/demand.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace hybridge::test {
namespace {

constexpr std::size_t kBodyBytes = 64 * 1024;

// A little of everything that jobs change.
constexpr std::string_view kTables = R"({
  "servers": {"f1.test": {"endpoints": [{"address": "192.0.2.1", "port": 80, "weight": 1}]},
              "10.0.0.2": {"endpoints": [{"address": "10.0.0.2", "port": 80, "weight": 1},
                                         {"address": "10.0.0.3", "port": 80, "weight": 2}]}},
  "sites": {"a.test": {"server": "f1.test", "status": "active"}, "b.test": {"server": "10.0.0.2", "status": "suspended"}},
  "hosts": {"www.a.test": {"site": "a.test"}, "a.test": {"site": "a.test"}, "old.a.test": {"redirect": "www.a.test"},
            "*.test": {"code_server": true}},
  "rules": []})";

// The tables that every call meets, in a store that has also a certificate.
class World {
 public:
  World() {
    auto store = Store::open(directory_.path(), Store::Access::kServe).value();
    PemPairs pairs = {good_};
    auto record = make_certificate_record("a.test", **parse_certificate(pairs), pairs);
    StoreWrite write;
    write.revision = 1;
    write.changes = difference(Snapshot(), read_snapshot(kTables).snapshot);
    write.certificates.push_back(std::move(record));
    demand(store->commit({&write, 1}).has_value(), "the tables can be stored");
    reader_ = StateReader::open(directory_.path()).value();
    auto loaded = reader_->load();
    demand(loaded && loaded->quarantined.empty(), "and read again");
    tip_ = {std::make_shared<const Snapshot>(std::move(loaded->snapshot)),
            std::make_shared<const CertificateTable>(std::move(loaded->certificates))};
    key_ = in_json(good_.key);
    leaf_ = in_json(good_.chain);
  }

  const Tip& tip() const { return tip_; }
  StateReader& reader() { return *reader_; }
  std::string filled(std::string text) const {
    replace_all(text, "KEY", key_);
    replace_all(text, "LEAF", leaf_);
    return text;
  }

 private:
  static std::string in_json(std::string_view text) {
    std::string quoted;
    append_json_string(quoted, text);
    return quoted.substr(1, quoted.size() - 2);
  }
  static void replace_all(std::string& text, std::string_view word, std::string_view by) {
    for (auto at = text.find(word); at != std::string::npos && text.size() < kBodyBytes;
         at = text.find(word, at + by.size())) {
      text.replace(at, word.size(), by);
    }
  }

  TemporaryDirectory directory_;
  PemPair good_ = TestAuthority().issue({.names = {"a.test", "*.a.test"}});
  std::unique_ptr<StateReader> reader_;
  Tip tip_;
  std::string key_;
  std::string leaf_;
};

const JobRoute* find_call(std::string_view method, std::string_view path, std::vector<std::string>& parameters) {
  static const auto routes = [] {
    std::vector<ApiRoute> made;
    for (const auto& call : job_calls()) made.push_back({.method = call.method, .pattern = call.pattern});
    return made;
  }();
  auto match = match_route(routes, http::to_method(method), path);
  if (!match.route) {
    demand(match.refusal.status >= 400 && !match.refusal.body.empty(), "a path that is none is refused");
    return nullptr;
  }
  parameters = std::move(match.parameters);
  return &job_calls()[static_cast<std::size_t>(match.route - routes.data())];
}

// What the job comes to; nullopt: it failed, and said why.
std::optional<Plan> plan_of(const Job& job, const Tip& tip, StateReader& reader) {
  static const std::function<std::int64_t()> kNow = [] { return std::int64_t{0}; };
  Draft draft(tip, reader, kNow);
  const auto acted = job.act(draft);
  auto plan = acted ? draft.plan() : Result<Plan>(acted.error());
  if (plan) return std::move(*plan);
  demand(plan.error().reason != Reason::kIo, "the store is not at fault");
  demand(!plan.error().detail.empty(), "a failure says why");
  return std::nullopt;
}

void check(World& world, std::string_view text) {
  const auto line = text.substr(0, text.find('\n'));
  ApiRequest request;
  request.body = world.filled(std::string(text.substr(std::min(text.size(), line.size() + 1))));
  const auto blank = std::min(line.find(' '), line.size());
  const auto* call =
      find_call(line.substr(0, blank), line.substr(std::min(line.size(), blank + 1)), request.parameters);
  if (!call) return;
  Job job;
  const auto refusal = read_call(request, kBodyBytes, [&](JobCall& asked) { job = call->read(asked); });
  if (refusal) {
    const auto problem = boost::json::parse(refusal->body);
    demand(refusal->status == 400 && !problem.at("detail").as_string().empty(), "a refusal says why");
    return;
  }
  demand(boost::json::parse(job.data).is_object(), "a job tells an object");
  const auto plan = plan_of(job, world.tip(), world.reader());
  if (!plan) return;
  const auto& before = *world.tip().snapshot;
  auto after = std::make_shared<const Snapshot>(apply(before, plan->changes, before.revision() + 1));
  const auto written = write_snapshot(*after);
  const auto read = read_snapshot(written);
  demand(read.faults.empty(), read.faults.empty() ? "" : read.faults.kept().front().message);
  demand(write_snapshot(read.snapshot) == written, "what is stored is read as it is served");
  for (const auto& certificate : plan->certificates) {
    demand(normalize_host_pattern(certificate.facts.host) == certificate.facts.host,
           "a certificate is stored by a name");
    demand(parse_certificate(certificate.pairs).has_value(), "and is one");
  }
  const auto again = plan_of(job, {after, world.tip().certificates}, world.reader());
  demand(again && again->changes.empty(), "the same call again finds nothing left to do");
}

}  // namespace
}  // namespace hybridge::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static hybridge::test::World world;
  if (size <= 16 * 1024) hybridge::test::check(world, {reinterpret_cast<const char*>(data), size});
  return 0;
}
