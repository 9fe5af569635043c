#include "bench/load/generator/http1_connection.h"

#include <strings.h>

#include <charconv>
#include <optional>
#include <string>

namespace hybridge::bench {
namespace {

constexpr std::size_t kHeadBytes = 256 * 1024;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

// The value of a field of the answer's head; the name in lower case.
std::optional<std::string_view> field(std::string_view head, std::string_view name) {
  for (std::size_t line = head.find("\r\n"); line + 2 < head.size(); line = head.find("\r\n", line + 2)) {
    std::string_view rest = head.substr(line + 2);
    if (rest.size() <= name.size() || rest[name.size()] != ':') continue;
    if (strncasecmp(rest.data(), name.data(), name.size()) != 0) continue;
    rest = rest.substr(name.size() + 1, rest.find("\r\n") - name.size() - 1);
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    return rest;
  }
  return std::nullopt;
}

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) fail("not a number: " + std::string(text));
  return value;
}

}  // namespace

void Http1Connection::ask(Clock::time_point due) {
  due_ = due;
  if (state_ == State::idle) send_first();
}

void Http1Connection::send_first() {
  state_ = State::exchanging;
  sent_ = 0;
  head_.clear();
  has_head_ = false;
  closes_ = false;
  send();
}

void Http1Connection::send() {
  if (state_ != State::exchanging) return;
  while (sent_ < exchange_.request.size()) {
    const long wrote = write_some(exchange_.request.data() + sent_, exchange_.request.size() - sent_);
    if (wrote < 0) {
      want_write(true);
      return;
    }
    sent_ += static_cast<std::size_t>(wrote);
  }
  want_write(false);
}

bool Http1Connection::next_answer(Clock::time_point& due) {
  if (state_ != State::answered) return false;
  state_ = State::idle;
  due = due_;
  return true;
}

void Http1Connection::take(std::string_view bytes) {
  if (state_ != State::exchanging) fail("an answer without a request");
  if (sent_ < exchange_.request.size()) fail("an answer before the request was sent: " + std::string(bytes, 0, 40));
  if (!has_head_) {
    const std::size_t before = head_.size();
    head_.append(bytes);
    const std::size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos) {
      if (head_.size() > kHeadBytes) fail("an answer's head without an end");
      return;
    }
    head_.resize(end + 4);
    bytes.remove_prefix(end + 4 - before);
    take_head();
  }
  if (bytes.size() > body_left_) fail("more than the answer's Content-Length");
  body_left_ -= bytes.size();
  if (body_left_ > 0) return;
  state_ = State::answered;
  ++requests_done;
  if (closes_) close_after_answer();
}

void Http1Connection::take_head() {
  has_head_ = true;
  if (head_.size() < 12 || head_.compare(0, 9, "HTTP/1.1 ") != 0) fail("not an answer: " + head_.substr(0, 40));
  const std::size_t status = number(std::string_view(head_).substr(9, 3));
  if (static_cast<int>(status) != exchange_.status) fail("wrong answer: " + head_.substr(0, head_.find("\r\n")));
  const auto length = field(head_, "content-length");
  if (!length) fail("an answer without Content-Length: " + head_);
  body_left_ = number(*length);
  if (body_left_ != exchange_.length) {
    fail("an answer of " + std::to_string(body_left_) + " bytes instead of " + std::to_string(exchange_.length));
  }
  const auto connection = field(head_, "connection");
  closes_ = connection && connection->size() == 5 && strncasecmp(connection->data(), "close", 5) == 0;
}

}  // namespace hybridge::bench
