// Text into JSON strings and HTML. What is not UTF-8 becomes U+FFFD, so that both stay well-formed whatever a client
// sent.
#pragma once

#include <string>
#include <string_view>

namespace hybridge::http {

void append_json_escaped(std::string& out, std::string_view text);  // without the quotes around it
void append_html_escaped(std::string& out, std::string_view text);  // for element content and quoted attributes

}  // namespace hybridge::http
