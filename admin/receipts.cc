#include "admin/receipts.h"

#include <algorithm>

#include "admin/problem.h"
#include "base/process_log.h"

namespace hybridge {

namespace {
constexpr std::size_t kLongestKey = 200;

// As it was sent, or without the quotes that a structured field has (draft-ietf-httpapi-idempotency-key-header).
std::string_view without_quotes(std::string_view key) {
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"') return key.substr(1, key.size() - 2);
  return key;
}

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= kLongestKey &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Sha256 fingerprint_of(const ApiRequest& request) {
  std::string all = request.action;
  for (const auto& [name, value] : request.query) all.append("\n").append(name).append("=").append(value);
  return sha256(all.append("\n").append(request.if_match).append("\n\n").append(request.body));
}

ApiAnswer reused() {
  return problem(409, "idempotency_key_reused",
                 "this Idempotency-Key was used for another call: a key is for one call and its repetitions");
}

ApiAnswer repeated(const ReceiptRecord& receipt) {
  ApiAnswer answer{receipt.status, receipt.content_type, {}, receipt.body};
  answer.headers.emplace_back("Idempotency-Replayed", "true");
  return answer;
}
}  // namespace

void Receipts::answer(const ApiRoute& route, const std::shared_ptr<ApiRequest>& request, Answered answered) {
  const Name name{request->who, without_quotes(request->idempotency_key)};
  if (!is_key(name.second)) {
    return answered(
        problem(400, "bad_idempotency_key",
                "an Idempotency-Key has 1 to " + std::to_string(kLongestKey) + " visible ASCII characters"));
  }
  const auto fingerprint = fingerprint_of(*request);
  {
    const std::lock_guard lock(mutex_);
    const auto [at, is_first] = under_way_.try_emplace(name);
    if (is_first) at->second.fingerprint = fingerprint;
    const bool is_other = at->second.fingerprint != fingerprint;
    if (!is_other) at->second.answered.push_back(std::move(answered));
    if (!is_other && !is_first) return;
    if (is_other) return answered(reused());
  }
  const auto known = reader_.receipt(name.first, name.second);
  if (!known) return finish(name, problem(known.error()));
  if (!*known) return carry_out(route, request, name, fingerprint);
  finish(name, (*known)->fingerprint == fingerprint ? repeated(**known) : reused());
}

void Receipts::carry_out(const ApiRoute& route, const std::shared_ptr<ApiRequest>& request, const Name& name,
                         const Sha256& fingerprint) {
  const auto receipt = std::make_shared<Receipt>();
  receipt->record = {name.first, name.second, fingerprint, now_(), 200, "application/json", {}};
  request->receipt = receipt;
  route.run(*request, [this, name, receipt](ApiAnswer answer) {
    auto& record = receipt->record;
    const bool is_kept = receipt->is_stored && answer.status == record.status && answer.body == record.body;
    if (is_kept || answer.status >= 300) return finish(name, answer);
    record.status = answer.status;
    record.content_type = answer.content_type;
    record.body = answer.body;
    publisher_.submit([this, name, record, answer = std::move(answer)](Store* store) {
      const auto kept = store ? store->put_receipt(record) : Result<void>(make_error(Reason::kShuttingDown));
      // What was done is done, and is told; only a repetition would be judged anew.
      if (!kept) log::error("the answer to a call with an Idempotency-Key was not kept: {}", kept.error().detail);
      finish(name, answer);
    });
  });
}

void Receipts::finish(const Name& name, const ApiAnswer& answer) {
  std::vector<Answered> answered;
  {
    const std::lock_guard lock(mutex_);
    answered = std::move(under_way_.extract(name).mapped().answered);
  }
  for (const auto& each : answered) each(answer);
}

}  // namespace hybridge
