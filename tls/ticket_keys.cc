#include "tls/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstring>
#include <stdexcept>
#include <utility>

namespace hybridge {

namespace {

// Only at start-up and on a background thread, where failing loudly is right: no ticket key may be guessable.
void fill_randomly(std::span<unsigned char> bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw std::runtime_error("OpenSSL has no random bytes for ticket keys");
  }
}

bool prepare(EVP_MAC_CTX* mac, const TicketKey& key) {
  char digest[] = "SHA256";
  OSSL_PARAM settings[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key.authentication.data()),
                                        key.authentication.size()),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, settings) == 1;
}

}  // namespace

TicketKey TicketKey::random() {
  TicketKey key;
  fill_randomly(key.name);
  fill_randomly(key.encryption);
  fill_randomly(key.authentication);
  return key;
}

TicketKey::~TicketKey() {
  OPENSSL_cleanse(encryption.data(), encryption.size());
  OPENSSL_cleanse(authentication.data(), authentication.size());
}

TicketKeys::TicketKeys(std::vector<TicketKey> keys)
    : keys_(std::move(keys)), cipher_(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)) {}

int TicketKeys::seal(unsigned char name[16], unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) const {
  const auto& key = keys_.front();
  std::memcpy(name, key.name.data(), key.name.size());
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher_.get())) != 1 ||
      EVP_EncryptInit_ex2(cipher, cipher_.get(), key.encryption.data(), iv, nullptr) != 1 || !prepare(mac, key)) {
    return -1;
  }
  return 1;
}

int TicketKeys::open(const unsigned char name[16], const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                     EVP_MAC_CTX* mac) const {
  for (const auto& key : keys_) {
    if (std::memcmp(name, key.name.data(), key.name.size()) != 0) continue;
    if (EVP_DecryptInit_ex2(cipher, cipher_.get(), key.encryption.data(), iv, nullptr) != 1 || !prepare(mac, key)) {
      return -1;
    }
    return &key == &keys_.front() ? 1 : 2;  // 2: valid, and to be replaced by one of the present key
  }
  return 0;  // not ours, or too old: a full handshake
}

TicketKeyring::TicketKeyring(TimePoint now, Duration rotation, Duration accepted, const std::vector<Aged>& inherited)
    : rotation_(rotation), accepted_(accepted) {
  for (const auto& [key, age] : inherited) {
    ring_.push_back(key);
    made_.push_back(now - age);
  }
  if (ring_.empty()) {
    ring_.push_back(TicketKey::random());
    made_.push_back(now);
  }
  publish();
}

std::vector<TicketKeyring::Aged> TicketKeyring::aged(TimePoint now) const {
  std::vector<Aged> all;
  for (std::size_t i = 0; i < ring_.size(); ++i) all.push_back({ring_[i], now - made_[i]});
  return all;
}

bool TicketKeyring::rotate(TimePoint now) {
  if (now < next_rotation()) return false;
  ring_.insert(ring_.begin(), TicketKey::random());
  made_.insert(made_.begin(), now);
  // A key stopped sealing when the next one was made; it opens until `accepted_` after that.
  while (ring_.size() > 1 && made_[made_.size() - 2] + accepted_ <= now) {
    ring_.pop_back();
    made_.pop_back();
  }
  publish();
  return true;
}

void TicketKeyring::publish() {
  keys_ = std::make_shared<const TicketKeys>(ring_);
}

}  // namespace hybridge
