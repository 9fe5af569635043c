// What a test does with a leased connection, as coroutines: the least that a request's story is made of.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/task.h"
#include "proxy/upstream/connection.h"

namespace hybridge::test {

inline void ask(UpstreamConnection& connection, std::string_view head = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
                http::Method method = http::Method::kGet, UpstreamAsks asks = {}) {
  connection.begin(method, {}, asks);
  connection.write_head(head);
  connection.finish_body();
}

inline void ask_with_body(UpstreamConnection& connection, const http::Framing& framing,
                          std::string_view head = "POST / HTTP/1.1\r\nHost: a.test\r\n\r\n") {
  connection.begin(http::Method::kPost, framing);
  connection.write_head(head);
}

// `200`, or the code of what went wrong.
inline Task<std::string> read_status(UpstreamConnection& connection) {
  const auto head = co_await connection.read_head();
  if (!head.has_value()) co_return std::string(code(head.error().reason));
  co_return std::to_string((*head)->status);
}

// The body, and behind it in brackets the code of what went wrong.
inline Task<std::string> read_whole_body(UpstreamConnection& connection) {
  std::string body;
  for (;;) {
    const auto piece = co_await connection.read_body();
    if (!piece.has_value()) {
      co_return body + "[" + std::string(code(piece.error().reason)) + "]";
    }
    if (piece->empty()) co_return body;
    body += as_text(*piece);
  }
}

// `200 body`, heads before the final one in front of it: `103 200 body`.
inline Task<std::string> read_answer(UpstreamConnection& connection) {
  std::string answer;
  for (;;) {
    auto status = co_await read_status(connection);
    answer += status;
    if (status.size() != 3) co_return answer;
    answer += " ";
    if (status[0] != '1' || status == "101") break;
  }
  answer += co_await read_whole_body(connection);
  co_return answer;
}

// `written`, or the code of what went wrong.
inline Task<std::string> write(UpstreamConnection& connection, std::string bytes) {
  const auto written = co_await connection.write_body(as_bytes(bytes));
  if (!written.has_value()) co_return std::string(code(written.error().reason));
  co_return "written";
}

}  // namespace hybridge::test
