#include "admin/api_stream.h"

#include <algorithm>

#include "proxy/http/error_page.h"

namespace hybridge {

namespace {
constexpr std::size_t kPiece = 64 * 1024;
}

std::string_view field_of(const http::RequestHead& head, std::string_view name) {
  for (const auto& header : head.headers) {
    if (http::equal_ignoring_case(header.name, name)) return header.value;
  }
  return {};
}

Task<Result<std::string>> read_body(Stream& stream, std::size_t limit) {
  std::string body;
  for (;;) {
    const auto piece = co_await stream.read_body();
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return body;
    if (body.size() + piece->size() > limit) co_return make_error(Reason::kBodyTooLarge);
    body.append(as_text(*piece));
  }
}

Task<void> write_answer(Stream& stream, const ApiAnswer& answer) {
  http::ResponseHead head;
  head.status = answer.status;
  head.phrase = http::status_phrase(answer.status);
  head.framing = {http::Framing::Kind::kLength, answer.body.size()};
  if (!answer.body.empty()) head.headers.add("Content-Type", answer.content_type);
  head.headers.add("Cache-Control", "no-store");
  head.headers.add("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : answer.headers) head.headers.add(name, value);
  stream.write_head(head);
  auto left = as_bytes(answer.body);
  while (!left.empty()) {
    const auto piece = left.first(std::min(left.size(), kPiece));
    const auto written = co_await stream.write_body(piece);
    if (!written) co_return;
    left = left.subspan(piece.size());
  }
  stream.finish();
}

namespace {
// A coroutine that waits, on its loop, for an answer made elsewhere.
struct Slot {
  ApiAnswer answer;
  std::coroutine_handle<> waiting;
};

struct Handover {
  Executor& executor;
  ApiWork work;
  const LoopPost& post;
  std::shared_ptr<Slot> slot = std::make_shared<Slot>();

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    slot->waiting = waiting;
    executor.post([work = std::move(work), post = post, slot = slot] {
      work([post, slot](ApiAnswer answer) {
        slot->answer = std::move(answer);
        // Only the loop may go on with the story; by then this thread has let go of it.
        post([slot] { slot->waiting.resume(); });
      });
    });
  }
  ApiAnswer await_resume() const { return std::move(slot->answer); }
};
}  // namespace

ApiAnswer admitted() {
  ApiAnswer answer;
  answer.status = 0;
  return answer;
}

Task<ApiAnswer> run_on(Executor& executor, ApiWork work, const LoopPost& post) {
  Handover handover{executor, std::move(work), post};
  auto answer = co_await handover;
  co_return answer;
}

}  // namespace hybridge
