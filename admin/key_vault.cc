#include "admin/key_vault.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <vector>

namespace hybridge {

namespace {
constexpr std::string_view kSealed = "\x01hyb";  // no PEM begins so
constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;
constexpr std::string_view kDataKey = "data_key";  // among the secrets
constexpr std::string_view kNextDataKey = "next_data_key";

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char* bytes_of(std::string& text, std::size_t at = 0) {
  return reinterpret_cast<unsigned char*>(text.data() + at);
}
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void fill_with_randomness(void* into, std::size_t bytes) {
  if (getrandom(into, bytes, 0) != static_cast<ssize_t>(bytes))
    throw std::runtime_error("the kernel has no randomness");
}

std::optional<std::uint8_t> hex_byte(char high, char low) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (digit(high) < 0 || digit(low) < 0) return std::nullopt;
  return static_cast<std::uint8_t>(digit(high) * 16 + digit(low));
}

// The data key as it is stored, encrypted; "": there is none of that name.
Result<std::string> stored_key(Database& database, std::string_view name) {
  auto row = database.prepare("SELECT value FROM secrets WHERE name = ?");
  if (!row) return row.error();
  const auto found = row->bind(1, name).step();
  if (!found) return found.error();
  return *found ? std::string(row->text(0)) : std::string();
}

// What leads from the key outside to the data key. Both are bound to one name: the next one becomes the first.
std::string wrapped(const KeyVault::Key& inner, const KeyVault::Key& outer) {
  return KeyVault(outer).seal({reinterpret_cast<const char*>(inner.data()), inner.size()}, kDataKey);
}

std::optional<KeyVault::Key> unwrapped(const std::string& stored, const KeyVault::Key& outer) {
  const auto plain = KeyVault(outer).unseal(stored, kDataKey);
  KeyVault::Key inner{};
  if (stored.empty() || !plain || plain->size() != inner.size()) return std::nullopt;
  std::copy(plain->begin(), plain->end(), inner.begin());
  return inner;
}

Result<void> put_key(Database& database, std::string_view name, const std::string& stored) {
  auto put = database.prepare("INSERT OR REPLACE INTO secrets VALUES (?, ?)");
  if (!put) return put.error();
  return put->bind(1, name).bind_blob(2, stored).run();
}

struct Unlocked {
  KeyVault::Key key;
  bool is_next = false;  // by the key that takes the place of the other
};

Result<Unlocked> unlock(Database& database, const std::string& key_file) {
  const auto outer = KeyVault::read_key(key_file);
  if (!outer) return outer.error();
  for (const auto name : {kNextDataKey, kDataKey}) {
    const auto stored = stored_key(database, name);
    if (!stored) return stored.error();
    if (const auto key = unwrapped(*stored, *outer)) return Unlocked{*key, name == kNextDataKey};
  }
  return make_error(Reason::kInvalid, key_file + " is not the key that the private keys in the state are encrypted by");
}

// Old pages of the log hold what was there before.
Result<void> empty_log(Database& database) {
  const auto emptied = database.number("PRAGMA wal_checkpoint(TRUNCATE)");
  return emptied ? Result<void>() : emptied.error();
}

Result<void> forget_former_key(Database& database) {
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  if (auto forgotten = database.execute("DELETE FROM secrets WHERE name = 'data_key'; "
                                        "UPDATE secrets SET name = 'data_key' WHERE name = 'next_data_key'");
      !forgotten) {
    return forgotten;
  }
  if (auto committed = transaction->commit(); !committed) return committed;
  return empty_log(database);
}

// Every key that is stored in the clear.
Result<void> seal_all(Database& database, const KeyVault& vault) {
  auto rows = database.prepare("SELECT rowid, name, position, key FROM certificate_pairs WHERE rowid > ? LIMIT 1000");
  if (!rows) return rows.error();
  auto update = database.prepare("UPDATE certificate_pairs SET key = ? WHERE rowid = ?");
  if (!update) return update.error();
  std::int64_t last = -1;
  for (bool is_more = true; is_more;) {
    std::vector<std::pair<std::int64_t, std::string>> sealed;
    const auto before = last;
    rows->bind(1, last);
    for (;;) {
      const auto row = rows->step();
      if (!row) return row.error();
      if (!*row) break;
      last = rows->number(0);
      if (KeyVault::is_sealed(rows->text(3))) continue;  // by a data key that was lost: no other opens it
      sealed.emplace_back(last, vault.seal(rows->text(3), KeyVault::name_of_pair(rows->text(1), rows->number(2))));
    }
    rows->reset();
    for (const auto& [row, key] : sealed) {
      if (auto written = update->bind_blob(1, key).bind(2, row).run(); !written) return written;
    }
    is_more = last != before;
  }
  return {};
}
}  // namespace

Result<KeyVault::Key> KeyVault::read_key(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) return make_error(Reason::kIo, path + ": " + std::strerror(errno));
  std::array<char, 128> text{};
  auto length = std::fread(text.data(), 1, text.size(), file.get());
  Key key{};
  if (length == key.size()) {
    std::copy_n(text.begin(), key.size(), key.begin());
    return key;
  }
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) --length;
  bool is_hex = length == 2 * key.size();
  for (std::size_t i = 0; is_hex && i < key.size(); ++i) {
    const auto byte = hex_byte(text[2 * i], text[2 * i + 1]);
    is_hex = byte.has_value();
    key[i] = byte.value_or(0);
  }
  if (is_hex) return key;
  return make_error(Reason::kInvalid, path + " is no key: 32 bytes, or 64 hexadecimal digits (openssl rand -hex 32)");
}

Result<std::shared_ptr<const KeyVault>> KeyVault::open(Database& database, const std::string& key_file) {
  const auto stored = stored_key(database, kDataKey);
  if (!stored) return stored.error();
  if (stored->empty()) return std::shared_ptr<const KeyVault>();
  if (key_file.empty()) {
    return make_error(Reason::kInvalid, database.path() + " has encrypted private keys: state_key must name the key");
  }
  const auto unlocked = unlock(database, key_file);
  if (!unlocked) return unlocked.error();
  return std::make_shared<const KeyVault>(unlocked->key);
}

Result<std::shared_ptr<const KeyVault>> KeyVault::open_or_make(Database& database, const std::string& key_file) {
  auto known = open(database, key_file);
  if (!known || key_file.empty()) return known;
  if (*known) {
    const auto unlocked = unlock(database, key_file);
    if (!unlocked) return unlocked.error();
    if (!unlocked->is_next) return known;
    if (auto forgotten = forget_former_key(database); !forgotten) return forgotten.error();
    return known;
  }
  const auto outer = read_key(key_file);
  if (!outer) return outer.error();
  Key inner{};
  fill_with_randomness(inner.data(), inner.size());
  auto vault = std::make_shared<const KeyVault>(inner);
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  if (auto put = put_key(database, kDataKey, wrapped(inner, *outer)); !put) return put.error();
  if (auto sealed = seal_all(database, *vault); !sealed) return sealed.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  if (auto emptied = empty_log(database); !emptied) return emptied.error();
  return vault;
}

Result<void> KeyVault::rotate(Database& database, const std::string& key_file, const std::string& new_key_file) {
  const auto stored = stored_key(database, kDataKey);
  if (!stored) return stored.error();
  if (stored->empty() || key_file.empty()) {
    return make_error(Reason::kInvalid,
                      database.path() + " has no encrypted private keys: name the key by state_key, and restart");
  }
  const auto unlocked = unlock(database, key_file);
  if (!unlocked) return unlocked.error();
  const auto outer = read_key(new_key_file);
  if (!outer) return outer.error();
  if (unwrapped(*stored, *outer)) {
    return make_error(Reason::kConflict, new_key_file + " is the key that the state is encrypted by already");
  }
  return put_key(database, kNextDataKey, wrapped(unlocked->key, *outer));
}

std::string KeyVault::seal(std::string_view plain, std::string_view name) const {
  std::string out(kSealed);
  out.resize(kSealed.size() + kNonce + plain.size() + kTag);
  auto* const nonce = bytes_of(out, kSealed.size());
  fill_with_randomness(nonce, kNonce);
  auto* const text = nonce + kNonce;
  const Cipher cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  const bool fine =
      cipher && EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &length, bytes_of(name), static_cast<int>(name.size())) == 1 &&
      EVP_EncryptUpdate(cipher.get(), text, &length, bytes_of(plain), static_cast<int>(plain.size())) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), text + length, &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTag, text + plain.size()) == 1;
  // Never without: what cannot be encrypted is not stored.
  if (!fine) throw std::runtime_error("OpenSSL cannot encrypt (AES-256-GCM)");
  return out;
}

Result<std::string> KeyVault::unseal(std::string_view stored, std::string_view name) const {
  if (!is_sealed(stored)) return std::string(stored);
  auto rest = stored.substr(kSealed.size());
  const auto nonce = rest.substr(0, kNonce);
  const auto text = rest.substr(kNonce, rest.size() - kNonce - kTag);
  std::string tag(rest.substr(rest.size() - kTag));
  std::string out(text.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  const bool fine =
      cipher && EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), bytes_of(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, bytes_of(name), static_cast<int>(name.size())) == 1 &&
      EVP_DecryptUpdate(cipher.get(), bytes_of(out), &length, bytes_of(text), static_cast<int>(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTag, bytes_of(tag)) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), bytes_of(out, static_cast<std::size_t>(length)), &length) == 1;
  if (!fine) return make_error(Reason::kInvalid, "the stored key is damaged, or was encrypted by another state_key");
  return out;
}

bool KeyVault::is_sealed(std::string_view stored) {
  return stored.starts_with(kSealed) && stored.size() >= kSealed.size() + kNonce + kTag;
}

std::string KeyVault::name_of_pair(std::string_view host, std::int64_t position) {
  return std::string(host) + "\n" + std::to_string(position);
}

}  // namespace hybridge
