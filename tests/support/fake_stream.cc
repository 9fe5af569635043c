#include "tests/support/fake_stream.h"

#include <algorithm>

namespace hybridge::test {

FakeStream::FakeStream(Request request) : wanted_(std::move(request)) {
  head_.method = http::to_method(wanted_.method);
  head_.method_name = wanted_.method;
  head_.target = wanted_.target;
  head_.authority = head_.host = "admin.test";
  for (const auto& [name, value] : wanted_.headers) head_.headers.add(name, value);
  if (wanted_.is_chunked) {
    head_.framing.kind = http::Framing::Kind::kChunked;
  } else if (!wanted_.body.empty()) {
    head_.framing = {http::Framing::Kind::kLength, wanted_.body.size()};
  }
  client_.peer = wanted_.peer == "unix" ? Address::unix_peer() : Address::parse(wanted_.peer, 4711).value();
  client_.direct_peer = client_.peer;
  client_.peer_ip = client_.peer.ip();
  client_.is_tls = wanted_.is_tls;
}

std::string FakeStream::header(std::string_view name) const {
  for (const auto& [each, value] : headers_) {
    if (http::equal_ignoring_case(each, name)) return value;
  }
  return {};
}

void FakeStream::write_head(const http::ResponseHead& head) {
  status_ = head.status;
  for (const auto& field : head.headers) headers_.emplace_back(field.name, field.value);
}

bool FakeStream::poll_body(Result<Bytes>& piece) {
  if (read_ == wanted_.body.size() && wanted_.body_fault) {
    piece = *wanted_.body_fault;
    return true;
  }
  const auto taken = std::string_view(wanted_.body).substr(read_, wanted_.piece);
  read_ += taken.size();
  piece = as_bytes(taken);
  return true;
}

void FakeStream::leave() {
  is_gone_ = true;
  resume_writer();
  tell_gone();
}

void FakeStream::take_again() {
  is_taking_ = true;
  resume_writer();
}

bool FakeStream::poll_writable(Result<void>& outcome) {
  if (!is_gone_ && !is_taking_) return false;
  outcome = is_gone_ ? Result<void>(make_error(Reason::kClientGone)) : Result<void>();
  return true;
}

}  // namespace hybridge::test
