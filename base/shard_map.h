// A map from names to values that changes by making a new map: the old one stays as it is, and the two share all but
// the one shard of about a hundred entries that differs. For tables of 100,000 names that change one at a time.
//
// A value: copying costs one reference count. Const all the way down, so any number of threads may read one map, or
// copies of it, without a lock. (Two threads may not assign to one and the same variable, as for any value.)
//
// Inside: extendible hashing. A directory of 2^depth slots, indexed by the top bits of the hash, points to shards; a
// full shard splits alone, and only the directory of pointers doubles. No single change copies all entries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace hybridge {

// Seeded anew in each process, so that nobody can choose names that fall into one shard.
std::uint64_t hash_name(std::string_view name);

template <class Value>
class ShardMap {
 public:
  class Builder;
  struct Entry {
    std::string key;
    Value value;
  };

  // Valid while this map, or any other that shares the entry, lives. nullptr: not there.
  const Value* find(std::string_view key) const;
  const Entry* find_entry(std::string_view key) const;  // with the key as the map keeps it
  bool contains(std::string_view key) const { return find(key) != nullptr; }

  // This map with one entry added or replaced, or taken out. For many changes at once: Builder.
  [[nodiscard]] ShardMap with(std::string key, Value value) const;
  [[nodiscard]] ShardMap without(std::string_view key) const;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // visit(const std::string& key, const Value& value), in no order.
  template <class Visit>
  void for_each(Visit&& visit) const;

 private:
  struct Shard {
    unsigned depth = 0;                 // how many top bits of the hash its entries have in common
    std::vector<std::uint64_t> hashes;  // sorted; entries[i] belongs to hashes[i]
    std::vector<Entry> entries;

    std::size_t position(std::uint64_t hash, std::string_view key, bool& found) const;
  };
  using Directory = std::vector<std::shared_ptr<const Shard>>;

  static std::size_t slot(std::uint64_t hash, unsigned depth) { return depth == 0 ? 0 : hash >> (64 - depth); }

  std::shared_ptr<const Directory> directory_;  // null: empty
  unsigned depth_ = 0;
  std::size_t size_ = 0;
};

// Many changes to a map, for the price of the shards they touch.
template <class Value>
class ShardMap<Value>::Builder {
 public:
  Builder() : Builder(ShardMap{}) {}
  explicit Builder(const ShardMap& from)
      : directory_(from.directory_ ? *from.directory_ : Directory{std::make_shared<const Shard>()}),
        depth_(from.depth_),
        size_(from.size_) {}

  void set(std::string key, Value value);
  bool erase(std::string_view key);  // false: was not there
  const Value* find(std::string_view key) const;
  std::size_t size() const { return size_; }
  ShardMap build() &&;

 private:
  static constexpr std::size_t kShardEntries = 96;
  static constexpr std::size_t kLeastEntriesPerSlot = 32;  // bounds the directory, however unlucky the hashes

  // The shard of that slot, free to be changed: copied first unless this builder made it.
  Shard& own(std::size_t index);
  void place(std::size_t index, std::shared_ptr<const Shard> shard);
  bool split(std::size_t index);

  Directory directory_;
  std::unordered_set<const Shard*> own_;
  unsigned depth_;
  std::size_t size_;
};

template <class Value>
std::size_t ShardMap<Value>::Shard::position(std::uint64_t hash, std::string_view key, bool& found) const {
  // Hashes are spread evenly, so the place is guessed within a few entries: fewer cache lines and mispredicted branches
  // than halving. What is left is a walk, right for any spread.
  const auto count = hashes.size();
  __extension__ using Wide = unsigned __int128;
  auto at = static_cast<std::size_t>((static_cast<Wide>(hash << depth) * count) >> 64);
  while (at > 0 && hashes[at - 1] >= hash) --at;
  while (at < count && hashes[at] < hash) ++at;
  for (; at < count && hashes[at] == hash; ++at) {
    if (entries[at].key == key) {
      found = true;
      return at;
    }
  }
  found = false;
  return at;
}

template <class Value>
const Value* ShardMap<Value>::find(std::string_view key) const {
  const auto* entry = find_entry(key);
  return entry ? &entry->value : nullptr;
}

template <class Value>
auto ShardMap<Value>::find_entry(std::string_view key) const -> const Entry* {
  if (!directory_) return nullptr;
  const auto hash = hash_name(key);
  const auto& shard = *(*directory_)[slot(hash, depth_)];
  bool found = false;
  const auto index = shard.position(hash, key, found);
  return found ? &shard.entries[index] : nullptr;
}

template <class Value>
ShardMap<Value> ShardMap<Value>::with(std::string key, Value value) const {
  Builder builder(*this);
  builder.set(std::move(key), std::move(value));
  return std::move(builder).build();
}

template <class Value>
ShardMap<Value> ShardMap<Value>::without(std::string_view key) const {
  if (!contains(key)) return *this;
  Builder builder(*this);
  builder.erase(key);
  return std::move(builder).build();
}

template <class Value>
template <class Visit>
void ShardMap<Value>::for_each(Visit&& visit) const {
  if (!directory_) return;
  for (std::size_t index = 0; index < directory_->size();) {
    const auto& shard = *(*directory_)[index];
    for (const auto& entry : shard.entries) visit(entry.key, entry.value);
    index += std::size_t{1} << (depth_ - shard.depth);  // the slots that share this shard
  }
}

template <class Value>
void ShardMap<Value>::Builder::set(std::string key, Value value) {
  const auto hash = hash_name(key);
  auto index = slot(hash, depth_);
  bool found = false;
  auto at = directory_[index]->position(hash, key, found);
  if (found) {
    own(index).entries[at].value = std::move(value);
    return;
  }
  while (directory_[index]->entries.size() >= kShardEntries && split(index)) {
    index = slot(hash, depth_);
    at = directory_[index]->position(hash, key, found);
  }
  auto& shard = own(index);
  shard.hashes.insert(shard.hashes.begin() + static_cast<std::ptrdiff_t>(at), hash);
  shard.entries.insert(shard.entries.begin() + static_cast<std::ptrdiff_t>(at), {std::move(key), std::move(value)});
  ++size_;
}

template <class Value>
bool ShardMap<Value>::Builder::erase(std::string_view key) {
  const auto hash = hash_name(key);
  const auto index = slot(hash, depth_);
  bool found = false;
  const auto at = static_cast<std::ptrdiff_t>(directory_[index]->position(hash, key, found));
  if (!found) return false;
  auto& shard = own(index);
  shard.hashes.erase(shard.hashes.begin() + at);
  shard.entries.erase(shard.entries.begin() + at);
  --size_;
  return true;
}

template <class Value>
const Value* ShardMap<Value>::Builder::find(std::string_view key) const {
  const auto hash = hash_name(key);
  const auto& shard = *directory_[slot(hash, depth_)];
  bool found = false;
  const auto index = shard.position(hash, key, found);
  return found ? &shard.entries[index].value : nullptr;
}

template <class Value>
ShardMap<Value> ShardMap<Value>::Builder::build() && {
  ShardMap map;
  if (size_ == 0) return map;
  for (std::size_t index = 0; index < directory_.size();) {
    const auto step = std::size_t{1} << (depth_ - directory_[index]->depth);
    if (own_.contains(directory_[index].get())) {
      auto& shard = own(index);
      shard.hashes.shrink_to_fit();
      shard.entries.shrink_to_fit();
    }
    index += step;
  }
  map.depth_ = depth_;
  map.size_ = size_;
  map.directory_ = std::make_shared<const Directory>(std::move(directory_));
  return map;
}

template <class Value>
auto ShardMap<Value>::Builder::own(std::size_t index) -> Shard& {
  if (!own_.contains(directory_[index].get())) {
    auto copy = std::make_shared<Shard>();
    const auto& shard = *directory_[index];
    copy->depth = shard.depth;
    copy->hashes.reserve(shard.hashes.size() + 1);
    copy->hashes.insert(copy->hashes.end(), shard.hashes.begin(), shard.hashes.end());
    copy->entries.reserve(shard.entries.size() + 1);
    copy->entries.insert(copy->entries.end(), shard.entries.begin(), shard.entries.end());
    own_.insert(copy.get());
    place(index, std::move(copy));
  }
  // Made by this builder as a mutable object, and nobody else has seen it yet.
  return const_cast<Shard&>(*directory_[index]);
}

template <class Value>
void ShardMap<Value>::Builder::place(std::size_t index, std::shared_ptr<const Shard> shard) {
  const auto slots = std::size_t{1} << (depth_ - shard->depth);
  const auto first = index & ~(slots - 1);
  std::fill_n(directory_.begin() + static_cast<std::ptrdiff_t>(first), slots, shard);
}

template <class Value>
bool ShardMap<Value>::Builder::split(std::size_t index) {
  if (directory_[index]->depth == depth_) {
    if (directory_.size() * kLeastEntriesPerSlot > size_) return false;
    Directory doubled;
    doubled.reserve(directory_.size() * 2);
    for (const auto& shard : directory_) {
      doubled.push_back(shard);
      doubled.push_back(shard);
    }
    directory_ = std::move(doubled);
    ++depth_;
    index *= 2;
  }
  const auto old = directory_[index];
  const bool owned = own_.contains(old.get());
  const auto depth = old->depth + 1;
  const auto middle = static_cast<std::size_t>(
      std::partition_point(old->hashes.begin(), old->hashes.end(),
                           [&](std::uint64_t hash) { return (hash >> (64 - depth) & 1) == 0; }) -
      old->hashes.begin());
  const auto slots = std::size_t{1} << (depth_ - depth);
  const auto first = index & ~(slots * 2 - 1);
  for (std::size_t half = 0; half < 2; ++half) {
    auto shard = std::make_shared<Shard>();
    shard->depth = depth;
    const auto begin = half == 0 ? 0 : middle;
    const auto end = half == 0 ? middle : old->hashes.size();
    for (auto i = begin; i < end; ++i) {
      shard->hashes.push_back(old->hashes[i]);
      shard->entries.push_back(owned ? std::move(const_cast<Entry&>(old->entries[i])) : old->entries[i]);
    }
    own_.insert(shard.get());
    place(first + half * slots, std::move(shard));
  }
  own_.erase(old.get());
  return true;
}

}  // namespace hybridge
