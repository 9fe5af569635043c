// The certificate of last resort: from the files that the configuration names, or self-signed and kept in state_dir,
// so that an empty configuration serves TLS. Start-up and reload only; reads and writes files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "proxy/config.h"
#include "tls/certificate.h"

namespace hybridge {

struct DefaultCertificate {
  // When the files were last changed; another value: load again.
  struct Stamp {
    std::int64_t chain = 0;  // nanoseconds of the Unix epoch; 0: no file
    std::int64_t key = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };

  // kIo or kInvalid: a sentence that names the file and what is wrong with it.
  static Result<std::shared_ptr<const Certificate>> load(const Config& config);
  static Stamp stamp(const Config& config);
};

// Of the files that a configuration names. kIo or kInvalid: a sentence that names the file and what is wrong with it.
Result<std::shared_ptr<const Certificate>> load_certificate(const Config::CertificateFiles& files);

}  // namespace hybridge
