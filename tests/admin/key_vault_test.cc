#include "admin/key_vault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "admin/schema.h"
#include "admin/state_reader.h"
#include "admin/store.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

using testing::HasSubstr;

KeyVault::Key key_of(std::uint8_t byte) {
  KeyVault::Key key;
  key.fill(byte);
  return key;
}

TEST(KeyVault, OpensWhatItSealed) {
  const KeyVault vault(key_of(1));
  for (const auto& plain : {std::string("a private key"), std::string(), std::string(100'000, 'k')}) {
    const auto sealed = vault.seal(plain, "a.test");
    EXPECT_TRUE(KeyVault::is_sealed(sealed));
    EXPECT_EQ(vault.unseal(sealed, "a.test").value(), plain);
    EXPECT_NE(vault.seal(plain, "a.test"), sealed) << "never the same twice";
  }
}

TEST(KeyVault, RefusesWhatIsNotItsOwn) {
  const KeyVault vault(key_of(1));
  auto sealed = vault.seal("a private key", "a.test");
  EXPECT_FALSE(vault.unseal(sealed, "b.test")) << "put in another's place";
  EXPECT_FALSE(KeyVault(key_of(2)).unseal(sealed, "a.test"));
  for (std::size_t at = 4; at < sealed.size(); ++at) {
    auto damaged = sealed;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    ASSERT_FALSE(vault.unseal(damaged, "a.test")) << at;
  }
  EXPECT_EQ(vault.unseal("-----BEGIN", "a.test").value(), "-----BEGIN") << "stored before there was a vault";
}

TEST(KeyVault, ReadsAKeyAsBytesOrAsDigits) {
  TemporaryDirectory directory;
  const auto read = [&](const std::string& text) {
    std::ofstream(directory / "key", std::ios::binary) << text;
    return KeyVault::read_key(directory / "key");
  };
  EXPECT_EQ(read(std::string(32, '\x07')).value(), key_of(7));
  std::string digits;
  for (int i = 0; i < 32; ++i) digits += "aB";
  EXPECT_EQ(read(digits + "\n").value(), key_of(0xab));
  for (const auto& bad : {std::string(), std::string("short"), std::string(64, 'x'), std::string(200, 'a')}) {
    EXPECT_THAT(read(bad).error().detail, HasSubstr("is no key: 32 bytes, or 64 hexadecimal digits"));
  }
  EXPECT_EQ(KeyVault::read_key(directory / "none").error().reason, Reason::kIo);
}

struct SealedStore {
  SealedStore() { std::ofstream(directory / "key") << std::string(64, 'a'); }
  std::string key_file() { return directory / "key"; }

  void put(Store& store, const std::string& host, const std::string& key) {
    StoreWrite write;
    write.revision = ++revision;
    auto& record = write.certificates.emplace_back();
    record.facts.host = host;
    record.pairs = {{"CHAIN", key}};
    ASSERT_TRUE(store.commit({&write, 1}));
  }
  // Every byte of the state's files.
  std::string files() {
    std::ostringstream all;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      all << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    }
    return all.str();
  }

  TemporaryDirectory directory;
  std::uint64_t revision = 0;
};

TEST(KeyVault, KeepsKeysOutOfTheStoresFiles) {
  SealedStore sealed;
  {
    auto store = Store::open(sealed.directory.path(), Store::Access::kServe).value();
    sealed.put(*store, "before.test", "KEY FROM BEFORE");
    ASSERT_TRUE(store->use_vault(sealed.key_file()));
    sealed.put(*store, "after.test", "KEY FROM AFTER");
    auto reader = StateReader::open(sealed.directory.path()).value();
    ASSERT_TRUE(reader->use_vault(sealed.key_file()));
    EXPECT_EQ(reader->pairs("before.test").value()[0].key, "KEY FROM BEFORE");
    EXPECT_EQ(reader->pairs("after.test").value()[0].key, "KEY FROM AFTER");
    EXPECT_EQ(reader->pairs("after.test").value()[0].chain, "CHAIN");
  }
  EXPECT_EQ(sealed.files().find("KEY FROM"), std::string::npos);
  // And after a restart.
  auto store = Store::open(sealed.directory.path(), Store::Access::kServe).value();
  ASSERT_TRUE(store->use_vault(sealed.key_file()));
  auto reader = StateReader::open(sealed.directory.path()).value();
  ASSERT_TRUE(reader->use_vault(sealed.key_file()));
  EXPECT_EQ(reader->pairs("before.test").value()[0].key, "KEY FROM BEFORE");
}

TEST(KeyVault, SaysWhenTheKeyIsMissingOrAnother) {
  SealedStore sealed;
  auto store = Store::open(sealed.directory.path(), Store::Access::kServe).value();
  ASSERT_TRUE(store->use_vault(sealed.key_file()));
  sealed.put(*store, "a.test", "KEY");
  auto reader = StateReader::open(sealed.directory.path()).value();
  EXPECT_THAT(reader->use_vault("").error().detail,
              HasSubstr("has encrypted private keys: state_key must name the key"));
  EXPECT_THAT(store->use_vault("").error().detail, HasSubstr("state_key must name the key"));
  std::ofstream(sealed.directory / "other") << std::string(64, 'b');
  EXPECT_THAT(store->use_vault(sealed.directory / "other").error().detail,
              HasSubstr("is not the key that the private keys in the state are encrypted by"));
  EXPECT_FALSE(reader->pairs("a.test")) << "without the vault it opens nothing";
}

TEST(KeyVault, IsOpenedByTheOldKeyUntilTheNewOneHasCome) {
  SealedStore sealed;
  const auto next = sealed.directory / "next";
  std::ofstream(next) << std::string(64, 'b');
  const auto restart_with = [&](const std::string& key) {
    return Store::open(sealed.directory.path(), Store::Access::kServe).value()->use_vault(key);
  };
  const auto stored_key = [&](const std::string& key) {
    auto reader = StateReader::open(sealed.directory.path()).value();
    EXPECT_TRUE(reader->use_vault(key));
    return reader->pairs("a.test").value()[0].key;
  };
  {
    auto store = Store::open(sealed.directory.path(), Store::Access::kServe).value();
    ASSERT_TRUE(store->use_vault(sealed.key_file()));
    sealed.put(*store, "a.test", "KEY");
    ASSERT_TRUE(KeyVault::rotate(store->database(), sealed.key_file(), next));
    sealed.put(*store, "b.test", "KEY");  // who serves goes on
  }
  // Killed here, or the configuration still names the old one: either opens it, until a start comes with the new one.
  EXPECT_EQ(stored_key(next), "KEY");
  EXPECT_EQ(stored_key(sealed.key_file()), "KEY");
  ASSERT_TRUE(restart_with(sealed.key_file()));
  EXPECT_EQ(stored_key(next), "KEY");
  ASSERT_TRUE(restart_with(next));
  EXPECT_EQ(stored_key(next), "KEY");
  EXPECT_THAT(restart_with(sealed.key_file()).error().detail, HasSubstr("is not the key"));
  ASSERT_TRUE(restart_with(next));
}

TEST(KeyVault, ReplacesTheNextKeyOnly) {
  SealedStore sealed;
  const auto key = [&](const std::string& name, char digit) {
    std::ofstream(sealed.directory / name) << std::string(64, digit);
    return std::string(sealed.directory / name);
  };
  auto store = Store::open(sealed.directory.path(), Store::Access::kServe).value();
  auto& database = store->database();
  const auto lost = key("lost", 'b');
  const auto next = key("next", 'c');
  EXPECT_THAT(KeyVault::rotate(database, sealed.key_file(), next).error().detail,
              HasSubstr("no encrypted private keys"));
  ASSERT_TRUE(store->use_vault(sealed.key_file()));
  EXPECT_THAT(KeyVault::rotate(database, next, lost).error().detail, HasSubstr("is not the key"));
  EXPECT_EQ(KeyVault::rotate(database, sealed.key_file(), sealed.key_file()).error().reason, Reason::kConflict);
  ASSERT_TRUE(KeyVault::rotate(database, sealed.key_file(), lost));
  ASSERT_TRUE(KeyVault::rotate(database, sealed.key_file(), next));
  EXPECT_FALSE(store->use_vault(lost));
  EXPECT_TRUE(store->use_vault(next));
}

TEST(KeyVault, IsNotThereWithoutAKey) {
  SealedStore sealed;
  auto store = Store::open(sealed.directory.path(), Store::Access::kServe).value();
  ASSERT_TRUE(store->use_vault(""));
  sealed.put(*store, "a.test", "KEY IN THE CLEAR");
  auto reader = StateReader::open(sealed.directory.path()).value();
  ASSERT_TRUE(reader->use_vault(""));
  EXPECT_EQ(reader->pairs("a.test").value()[0].key, "KEY IN THE CLEAR");
}

}  // namespace
}  // namespace hybridge
