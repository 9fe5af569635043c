// Private keys at rest: encrypted in the store, when the configuration names a key for that (`state_key`, for instance
// a credential of systemd's), so that a copy of the database is not a copy of the keys.
//
// An envelope: keys are encrypted by a data key that the store keeps, which is encrypted by the key from outside. That
// one is changed in two steps, so that there is no moment at which a start fails: rotate() has the data key kept
// encrypted by both, and the first who may write and comes with the new one forgets the old.
// AES-256 in GCM, each value bound to the name it is stored under, so that none can be put in another's place.
// Immutable; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "admin/database.h"
#include "base/error.h"

namespace hybridge {

class KeyVault {
 public:
  using Key = std::array<std::uint8_t, 32>;

  // 32 bytes as they are, or 64 hexadecimal digits. kIo; kInvalid.
  static Result<Key> read_key(const std::string& path);
  // The vault of that store; null: none, for `key_file` is "". kInvalid: it is not the key that the store was encrypted
  // by, or the store is encrypted and there is no key.
  static Result<std::shared_ptr<const KeyVault>> open(Database& database, const std::string& key_file);
  // The same for whoever may write: a store that is not encrypted yet is, whole or not at all, and a key that was
  // replaced opens it no more.
  static Result<std::shared_ptr<const KeyVault>> open_or_make(Database& database, const std::string& key_file);

  // From now on the store opens by either key. kConflict: it does by the new one; kInvalid: it is not encrypted, or not
  // by `key_file`; kIo.
  static Result<void> rotate(Database& database, const std::string& key_file, const std::string& new_key_file);

  explicit KeyVault(const Key& key) : key_(key) {}

  std::string seal(std::string_view plain, std::string_view name) const;
  // kInvalid: it was damaged, or belongs to another name or key. What was never sealed comes back as it is.
  Result<std::string> unseal(std::string_view stored, std::string_view name) const;
  static bool is_sealed(std::string_view stored);

  // What a certificate's pair is bound to.
  static std::string name_of_pair(std::string_view host, std::int64_t position);

 private:
  const Key key_;
};

}  // namespace hybridge
