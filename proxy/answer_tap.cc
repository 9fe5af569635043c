#include "proxy/answer_tap.h"

#include "proxy/http/content_decoder.h"

namespace hybridge {

std::string AnswerTap::text() const {
  return http::decode_content(coding_, body_, most_).value_or(std::string());
}

}  // namespace hybridge
