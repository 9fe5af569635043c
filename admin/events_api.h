// GET /v1/events?from=revision: what happens, as Server-Sent Events (HTML, section 9.2), from that revision on and
// without end. Older changes come from the audit, newer ones from the log; a reader that resumes by `Last-Event-ID` or
// `from` misses no change, however long it was away, as long as the audit reaches back.
//
// Readers are on the loop of their stream; a slow one is let go when the log no longer has what it should read next.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "admin/api_route.h"
#include "admin/event_log.h"
#include "admin/executor.h"
#include "admin/records.h"
#include "admin/state_reader.h"
#include "base/clock.h"

namespace hybridge {

struct EventsApi {
  EventLog& log;
  StateReader& reader;
  Executor& executor;                             // reads the audit, and beats
  Duration heartbeat = std::chrono::seconds(15);  // a comment when nothing happens, so that a dead connection is seen
  std::size_t readers = 64;                       // at once
};

void add_event_routes(std::vector<ApiRoute>& routes, const EventsApi& api);

// A write as its audit tells it; nullopt: it changed neither routes nor certificates.
struct RevisionEvent {
  EventKind kind = EventKind::kChange;
  std::string data;
};
std::optional<RevisionEvent> event_of(const AuditRecord& record, bool live = true);
void tell(EventLog& log, const AuditRecord& record, bool live);

}  // namespace hybridge
