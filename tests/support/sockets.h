// What the blocking and the scripted ends of tests do to their sockets alike.
#pragma once

#include "io/address.h"

namespace hybridge::test {

void set_option(int descriptor, int level, int name, int value);
void limit_buffers(int descriptor, int bytes);  // in both directions

// A non-blocking listener; the address gets the port that the kernel chose. A failure is the test's: -1.
int listen_on(Address& address, int backlog);

}  // namespace hybridge::test
