// The keys of stateless session tickets (RFC 5077, RFC 8446 4.6.1): AES-256-CBC, then HMAC-SHA256, a set of keys at a
// time. TicketKeys is an immutable value that all workers share; TicketKeyring makes the next one. Never on disk.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/ssl_ptr.h"

namespace hybridge {

struct TicketKey {
  std::array<unsigned char, 16> name{};
  std::array<unsigned char, 32> encryption{};
  std::array<unsigned char, 32> authentication{};

  static TicketKey random();
  ~TicketKey();  // leaves nothing of itself in memory
};

class TicketKeys {
 public:
  explicit TicketKeys(std::vector<TicketKey> keys);  // the first one seals; all of them open. At least one

  // OpenSSL's ticket callback (SSL_CTX_set_tlsext_ticket_key_evp_cb): prepares sealing, or finds the key that opens.
  int seal(unsigned char name[16], unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) const;
  int open(const unsigned char name[16], const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) const;

  std::span<const TicketKey> keys() const { return keys_; }

 private:
  std::vector<TicketKey> keys_;
  SslPtr<EVP_CIPHER> cipher_;
};

// Background thread, or start-up.
class TicketKeyring {
 public:
  // A key and how long ago it was made: how the keys go from one process to the next.
  struct Aged {
    TicketKey key;
    Duration age{};
  };

  // A key seals for `rotation` and opens for `accepted` more. `inherited`: the newest first; none: it makes one.
  TicketKeyring(TimePoint now, Duration rotation = std::chrono::hours(12), Duration accepted = std::chrono::hours(24),
                const std::vector<Aged>& inherited = {});

  std::vector<Aged> aged(TimePoint now) const;
  const std::shared_ptr<const TicketKeys>& keys() const { return keys_; }
  TimePoint next_rotation() const { return made_.front() + rotation_; }
  // True: keys() are others than before.
  bool rotate(TimePoint now);

 private:
  void publish();

  Duration rotation_;
  Duration accepted_;
  std::vector<TicketKey> ring_;  // the newest first
  std::vector<TimePoint> made_;
  std::shared_ptr<const TicketKeys> keys_;
};

}  // namespace hybridge
