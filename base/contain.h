// What is done for one connection, or one task, throws: memory is out, or we are mistaken. That is its end, not the
// process's: whoever calls for many of them contains each.
//
// The data plane throws nothing of its own, and coroutines end their request by themselves (proxy/unforeseen.h); this
// is for what runs beside them: input of a connection, timers, posted work.
#pragma once

#include <exception>
#include <utility>

namespace hybridge {

void log_contained(const char* what, const std::exception& thrown);

// False: it threw, and the process log says so. `what`: for that line, `a timer`.
template <class Call>
bool contain(const char* what, Call&& call) {
  try {
    std::forward<Call>(call)();
    return true;
  } catch (const std::exception& thrown) {
    log_contained(what, thrown);
    return false;
  }
}

}  // namespace hybridge
