// What a process and its successor say to each other, as JSON (admin/handover_channel.h carries it). In this order:
//
//   old → new  Offer      what there is to take over, with the listening sockets
//   new → old  Prepared   configuration, certificates and stored state are sound: ready to serve
//   old → new  Frozen     no write is under way any more and none will be, with the store's lock
//   new → old  Serving    it accepts connections, and is the one from now on
//   old → new  Gone       the old one cannot come back: the new one may write
//   then, until the old one ends: Change (new → old), the table as the new one changes it, and Live, its receipt;
//   Holds (new → old), the stored windows are others than they were, and Held, its receipt: its gates are as they say;
//   Drained (old → new), nothing holdable of a window is under way there any more; Look and Cut (new → old) ask what
//   still is, and to end it, and UnderWay answers
//
// At any time before Serving, Failed says why nothing will come of it. Values; pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "proxy/gate.h"
#include "routing/change.h"
#include "tls/ticket_keys.h"

namespace hybridge {

struct HandoverOffer {
  // Grows when an older process could not take part in what a newer one says.
  static constexpr int kProtocol = 2;

  std::string version;
  std::int64_t pid = 0;
  std::string state_dir;
  std::vector<std::pair<std::string, std::size_t>> sockets;  // names, and how many descriptors each has, in their order
  std::vector<TicketKeyring::Aged> ticket_keys;              // so that sessions resume across the handover
};

enum class HandoverWord : std::uint8_t {
  kPrepared,
  kFrozen,
  kServing,
  kGone,
  kFailed,
  kChange,
  kLive,
  kHolds,
  kHeld,
  kDrained,
  kLook,
  kCut,
  kUnderWay,
};

struct HandoverMessage {
  HandoverWord word = HandoverWord::kFailed;
  std::string detail{};  // kFailed: why; kPrepared: the new version; kDrained, kLook, kCut: the window
  // kChange, kLive; kDrained: the window's epoch; kHolds and kHeld, kLook, kCut and kUnderWay: a number of their own
  std::uint64_t revision = 0;
  std::vector<Change> changes{};        // kChange
  std::vector<Straggler> stragglers{};  // kUnderWay, to kLook
  std::uint64_t cut = 0;                // kUnderWay, to kCut
};

std::string write_offer(const HandoverOffer& offer);
Result<HandoverOffer> read_offer(std::string_view text);  // kInvalid: with a sentence

std::string write_message(const HandoverMessage& message);
Result<HandoverMessage> read_message(std::string_view text);  // kInvalid: with a sentence

}  // namespace hybridge
