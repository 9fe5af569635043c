// The folder in which a Frappe agent keeps what its nginx serves, read and written, so that one can take over from it
// and go back:
//
//   config.json                                  access_token: the hash that the press API asks for
//   jobs.sqlite3                                 new jobs count on from its highest
//   nginx/upstreams/<address>/<site>             the file holds the site's status
//   nginx/secondaries.json                       {address: [{address: weight}]}
//   nginx/hosts/<host>/map.json, redirect.json   {host: site}, {host: target}
//   nginx/hosts/<host>/fullchain.pem, chain.pem, privkey.pem, codeserver
//
// A wildcard host whose certificate files are links is the proxy's own domain: its certificate is replaced on disk by
// others, so it stays where it is (default_certificate) and is not taken into the store. What cannot be taken over, or
// has no place in the folder, is told and left out; the rest is done.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/records.h"
#include "routing/snapshot.h"

namespace hybridge {

struct AgentFolder {
  Snapshot snapshot;
  std::vector<CertificateRecord> certificates;
  std::string access_token;      // pbkdf2_sha256; "": none
  std::int64_t highest_job = 0;  // 0: there are none
  std::vector<std::string> notes;
};

// kIo: it is no such folder.
Result<AgentFolder> read_agent_folder(const std::string& directory);

// Into a directory that is new or empty (kConflict). `notes` gets what has no place there.
Result<void> write_agent_folder(const std::string& directory, const AgentFolder& folder,
                                std::vector<std::string>& notes);

}  // namespace hybridge
