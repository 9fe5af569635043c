#include "admin/admin_front.h"

namespace hybridge {

Task<void> AdminFront::serve(Stream& stream) {
  if (!stream.fault() && own_path(stream.request().path()) == OwnPath::kAgentApi) {
    return own_api_.serve({.stream = stream, .client = stream.client().peer, .request_id = {}, .post = post_});
  }
  return admin_api_.serve(stream);
}

}  // namespace hybridge
