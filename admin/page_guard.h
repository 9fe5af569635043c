// What stands before the pages: by which names they may be asked for, and whether a form was made here, for this login
// and this deed.
//
// Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "proxy/config.h"

namespace hybridge {

// Is a Host field one of ours: `localhost`, the server_name, a loopback address, or an address that is listened on
// (any address where that is all of the machine's)? A name that somebody else points at us is none, and so the page
// that it came with can read and send nothing here (DNS rebinding).
bool is_own_host(std::string_view host, const Config& config);

// Tokens for forms: each is good for one deed of one login, until the process ends. A page of another origin cannot
// know them (CSRF), and whoever has one has seen the page that says what it is for: it is the confirmation, too.
class FormTokens {
 public:
  using Deed = std::initializer_list<std::string_view>;

  FormTokens();

  std::string make(std::string_view who, Deed deed) const;
  bool is_good(std::string_view token, std::string_view who, Deed deed) const;

 private:
  std::array<std::uint8_t, 32> key_;
};

}  // namespace hybridge
