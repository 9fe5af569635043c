#include "admin/events_api.h"

#include <atomic>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

#include "admin/api_stream.h"
#include "admin/problem.h"
#include "admin/unix_time.h"
#include "base/host_name.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kBatch = 100;  // events written at once

// Where a reader goes on: behind a revision, and, if it says which, behind an event of this run of the process.
struct Place {
  std::uint64_t revision = 0;
  std::optional<std::uint64_t> number;
};

// `41`, or `41-1764170000123456` as the ids of the stream are.
std::optional<Place> to_place(std::string_view text) {
  Place place;
  const auto* const last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data(), last, place.revision);
  if (error != std::errc{}) return std::nullopt;
  if (end == last) return place;
  std::uint64_t number = 0;
  if (*end != '-') return std::nullopt;
  const auto rest = std::from_chars(end + 1, last, number);
  if (rest.ec != std::errc{} || rest.ptr != last) return std::nullopt;
  place.number = number;
  return place;
}

void append_event(std::string& out, std::string_view id, std::string_view kind, std::string_view data) {
  out.append("id: ").append(id).append("\nevent: ").append(kind).append("\ndata: ").append(data).append("\n\n");
}

void append_event(std::string& out, const Event& event) {
  const auto id = std::to_string(event.revision) + "-" + std::to_string(event.number);
  append_event(out, id, to_string(event.kind), event.data);
}

// The reader has to look at the whole table again: something it should have been told is no longer known.
void append_gap(std::string& out, std::uint64_t from, std::uint64_t now, std::string_view why) {
  std::string data = "{\"from\":" + std::to_string(from) + ",\"revision\":" + std::to_string(now) + ",\"why\":";
  append_json_string(data, why);
  append_event(out, std::to_string(now), "gap", data + "}");
}

// What a story waits for between two looks at the log: an event, the next beat, or that its client leaves.
class Wakeup final : public Stream::GoneListener {
 public:
  explicit Wakeup(LoopPost post) : post_(std::move(post)) {}

  // Only the loop may go on with the story; when that has ended meanwhile, nobody waits there any more.
  std::function<void()> from_elsewhere() const {
    return [post = post_, bell = bell_] { post([bell] { bell->waiter.resume(); }); };
  }
  void beat_after(Executor& executor, Duration interval) {
    if (std::exchange(bell_->is_beat_due, true)) return;
    executor.post_after(interval, [post = post_, bell = bell_] {
      post([bell] {
        bell->is_beat_due = false;
        bell->has_beaten = true;
        bell->waiter.resume();
      });
    });
  }
  bool take_beat() { return std::exchange(bell_->has_beaten, false); }
  auto wait() { return bell_->waiter.wait(); }
  void on_client_gone() override { bell_->waiter.resume(); }

 private:
  struct Bell {
    Waiter waiter;
    bool is_beat_due = false;
    bool has_beaten = false;
  };
  const LoopPost post_;
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
};

// A page of the audit as events.
struct Page {
  std::string text;
  std::uint64_t revision = 0;  // of its last record
  std::string_view why_not;    // why it could not be read
};

Page read_page(StateReader& reader, std::uint64_t behind, bool is_first) {
  Page page;
  page.revision = behind;
  auto records = reader.audit_behind(behind, kBatch);
  if (!records || records->empty()) {
    page.why_not = records ? "the audit ends before that revision" : "the audit cannot be read";
    return page;
  }
  const auto next = records->front().revision;
  // Every revision has a record: one that is not there was forgotten.
  if (is_first && next > behind + 1) append_gap(page.text, behind, next - 1, "the audit does not reach back that far");
  for (const auto& record : *records) {
    page.revision = record.revision;
    if (const auto event = event_of(record)) {
      append_event(page.text, std::to_string(record.revision), to_string(event->kind), event->data);
    }
  }
  return page;
}

// A seat of one reader; given back at the end of its story.
class Seat {
 public:
  Seat(std::shared_ptr<std::atomic<std::size_t>> taken, std::size_t seats) : taken_(std::move(taken)) {
    if (taken_->fetch_add(1) < seats) return;
    taken_->fetch_sub(1);
    taken_.reset();
  }
  ~Seat() {
    if (taken_) taken_->fetch_sub(1);
  }
  Seat(const Seat&) = delete;
  bool is_taken() const { return taken_ != nullptr; }

 private:
  std::shared_ptr<std::atomic<std::size_t>> taken_;
};

// Events of the audit until the log has the rest; then `number` is where that begins. False: the stream has ended.
Task<bool> replay(const EventsApi& api, Stream& stream, const LoopPost& post, std::uint64_t& revision,
                  std::uint64_t& number) {
  bool is_first = true;
  while (!api.log.find_revision(revision, number)) {
    const auto page = std::make_shared<Page>();
    ApiWork work = [page, revision, is_first, &reader = api.reader](const Answered& done) {
      *page = read_page(reader, revision, is_first);
      done({});
    };
    co_await run_on(api.executor, std::move(work), post);
    is_first = false;
    if (!page->why_not.empty()) {
      const auto now = api.log.newest_revision();
      append_gap(page->text, revision, now, revision > now ? "that revision is not of this state" : page->why_not);
      page->revision = now;
    }
    revision = page->revision;
    const auto written = co_await stream.write_body(as_bytes(page->text));
    if (!written) co_return false;
  }
  co_return true;
}

void write_events(std::string& out, const EventLog::Events& events, std::uint64_t replayed) {
  for (const auto& event : events) {
    // The audit knows a write before the log does: told once is enough.
    if (is_revision(event->kind) && event->revision <= replayed) continue;
    append_event(out, *event);
  }
}

Task<void> follow(const EventsApi& api, Stream& stream, Wakeup& wakeup, std::uint64_t number, std::uint64_t replayed) {
  EventLog::Events events;
  std::string text;
  for (;;) {
    events.clear();
    text.clear();
    const bool is_kept = api.log.read_behind(number, kBatch, events);
    if (!is_kept) {
      // A last word without an id: the client resumes behind what it has read.
      text = "event: dropped\ndata: {\"why\":\"too slow: resume by Last-Event-ID\"}\n\n";
    } else if (!events.empty()) {
      number = events.back()->number;
      write_events(text, events, replayed);
    } else if (api.log.has_ended()) {
      co_return stream.finish();  // the client resumes where the next process answers
    } else if (wakeup.take_beat()) {
      text = ":\n\n";
    } else {
      wakeup.beat_after(api.executor, api.heartbeat);
      const auto ticket = api.log.await(number, wakeup.from_elsewhere());
      co_await wakeup.wait();
      api.log.forget(ticket);
      if (stream.is_gone()) co_return;
      continue;
    }
    const auto written = co_await stream.write_body(as_bytes(text));
    if (!written) co_return;
    if (!is_kept) co_return stream.finish();
  }
}

std::optional<ApiAnswer> take_place(const EventsApi& api, const ApiRequest& request, Place& place) {
  const auto from = request.query.find("from");
  auto text = request.last_event_id;
  if (text.empty() && from != request.query.end()) text = from->second;
  if (text.empty()) {
    place.revision = api.log.newest_revision();
    place.number = api.log.newest();
    return std::nullopt;
  }
  const auto given = to_place(text);
  if (!given) {
    return problem(400, "bad_query", in_quotes(text) + " is no place to go on from: a revision, or the id of an event");
  }
  place = *given;
  return std::nullopt;
}

void write_head(Stream& stream) {
  http::ResponseHead head;
  head.status = 200;
  head.phrase = "OK";
  head.framing = {http::Framing::Kind::kChunked, 0};
  head.headers.add("Content-Type", "text/event-stream");
  head.headers.add("Cache-Control", "no-store");
  head.headers.add("X-Content-Type-Options", "nosniff");
  stream.write_head(head);
}

Task<void> stream_events(EventsApi api, std::shared_ptr<std::atomic<std::size_t>> taken,
                         std::shared_ptr<const ApiRequest> request, Stream& stream, LoopPost post) {
  Place place;
  auto refusal = take_place(api, *request, place);
  const Seat seat(std::move(taken), api.readers);
  if (!refusal && !seat.is_taken()) {
    refusal = problem(503, "too_many_readers", std::to_string(api.readers) + " readers follow the events already");
    refusal->headers.emplace_back("Retry-After", "5");
  }
  if (refusal) {
    co_await write_answer(stream, *refusal);
    co_return;
  }
  write_head(stream);
  if (stream.request().method == http::Method::kHead) co_return stream.finish();

  Wakeup wakeup(post);
  stream.set_gone_listener(&wakeup);
  EventLog::Events none;
  std::uint64_t number = place.number.value_or(0);
  std::uint64_t replayed = 0;
  bool goes_on = true;
  if (!place.number || !api.log.read_behind(number, 0, none)) {
    goes_on = co_await replay(api, stream, post, place.revision, number);
    replayed = place.revision;
  }
  if (goes_on) co_await follow(api, stream, wakeup, number, replayed);
  stream.set_gone_listener(nullptr);
  if (stream.is_gone()) stream.reset(Reason::kClientGone);
}
}  // namespace

std::optional<RevisionEvent> event_of(const AuditRecord& record, bool live) {
  boost::system::error_code failed;
  const auto detail = json::parse(record.detail, failed);
  const auto* const object = failed ? nullptr : detail.if_object();
  const auto* const changes = object ? object->if_contains("changes") : nullptr;
  RevisionEvent event;
  if (changes && changes->is_array()) {
    if (changes->get_array().empty()) return std::nullopt;
    event.kind = EventKind::kCertificate;
    for (const auto& change : changes->get_array()) {
      const auto* const kind = change.is_object() ? change.get_object().if_contains("kind") : nullptr;
      if (!kind || *kind != "certificate") event.kind = EventKind::kChange;
    }
  }
  event.data =
      "{\"revision\":" + std::to_string(record.revision) + ",\"at\":\"" + iso_time(record.at / 1000) + "\",\"who\":";
  append_json_string(event.data, record.who);
  event.data += ",\"action\":";
  append_json_string(event.data, record.action);
  if (!live) event.data += ",\"live\":false";
  const bool has_detail = object && !object->empty();
  event.data += has_detail ? "," + record.detail.substr(record.detail.find('{') + 1) : "}";
  return event;
}

void tell(EventLog& log, const AuditRecord& record, bool live) {
  if (auto event = event_of(record, live)) {
    log.add_revision(event->kind, record.revision, std::move(event->data));
  } else {
    log.advance_to(record.revision);
  }
}

void add_event_routes(std::vector<ApiRoute>& routes, const EventsApi& api) {
  routes.push_back({.pattern = "/v1/events",
                    .query = {"from"},
                    .summary = "What happens, as Server-Sent Events: change, certificate, hold, health",
                    .gives = "text/event-stream",
                    .stream = [api, taken = std::make_shared<std::atomic<std::size_t>>(0)](
                                  std::shared_ptr<const ApiRequest> request, Stream& stream, const LoopPost& post) {
                      return stream_events(api, taken, std::move(request), stream, post);
                    }});
}

}  // namespace hybridge
