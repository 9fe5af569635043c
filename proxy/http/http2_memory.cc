#include "proxy/http/http2_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <new>

#include "base/recycled.h"

namespace hybridge::http {

namespace {

// Before each block, because whoever gives one back does not say how large it is.
struct alignas(std::max_align_t) Preface {
  std::size_t bytes;  // of both
};

Preface* preface_of(void* block) {
  return static_cast<Preface*>(block) - 1;
}

void* take(std::size_t bytes, void*) {
  if (bytes > std::numeric_limits<std::size_t>::max() - sizeof(Preface)) return nullptr;
  const auto all = bytes + sizeof(Preface);
  try {
    return new (take_recycled(all)) Preface{all} + 1;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void give(void* block, void*) {
  if (block) give_recycled(preface_of(block), preface_of(block)->bytes);
}

void* take_zeroed(std::size_t count, std::size_t each, void*) {
  if (each > 0 && count > std::numeric_limits<std::size_t>::max() / each) return nullptr;
  auto* const block = take(count * each, nullptr);
  if (block) std::memset(block, 0, count * each);
  return block;
}

void* take_instead(void* block, std::size_t bytes, void*) {
  if (!block) return take(bytes, nullptr);
  const auto before = preface_of(block)->bytes - sizeof(Preface);
  auto* const instead = take(bytes, nullptr);
  if (!instead) return nullptr;
  std::memcpy(instead, block, std::min(before, bytes));
  give(block, nullptr);
  return instead;
}

}  // namespace

nghttp2_mem* http2_memory() {
  static nghttp2_mem memory{nullptr, take, give, take_zeroed, take_instead};
  return &memory;
}

}  // namespace hybridge::http
