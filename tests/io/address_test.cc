#include "io/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

namespace hybridge {
namespace {

TEST(Address, ReadsIpv4AndIpv6) {
  EXPECT_EQ(Address::parse("203.0.113.7", 80)->to_string(), "203.0.113.7:80");
  EXPECT_EQ(Address::parse("2001:db8::1", 443)->to_string(), "[2001:db8::1]:443");
  EXPECT_EQ(Address::parse("[2001:db8::1]", 443)->to_string(), "[2001:db8::1]:443");
}

TEST(Address, RefusesWhatIsNone) {
  for (const auto* text : {"", "localhost", "203.0.113", "203.0.113.256", "203.0.113.7:80", "2001:db8:::1", "[::1",
                           "::1]", "[]", "[203.0.113.7]x", " 203.0.113.7", "203.0.113.7 ", "0x7f.0.0.1", "::1%lo"}) {
    EXPECT_FALSE(Address::parse(text, 80).has_value()) << '"' << text << '"';
  }
}

TEST(Address, ReadsAnAddressWithItsPort) {
  EXPECT_EQ(Address::parse_with_port("203.0.113.7:80")->to_string(), "203.0.113.7:80");
  EXPECT_EQ(Address::parse_with_port("[::1]:8443")->to_string(), "[::1]:8443");
  EXPECT_EQ(Address::parse_with_port("0.0.0.0:0")->port(), 0);
}

TEST(Address, RefusesAPortThatIsNone) {
  for (const auto* text :
       {"", ":", "203.0.113.7", "203.0.113.7:", "203.0.113.7:http", "203.0.113.7:65536", "203.0.113.7:-1",
        "203.0.113.7:+1", "203.0.113.7: 1", "203.0.113.7:80 ", "[::1]", "[::1]:", "[::1:80", ":80", "localhost:80"}) {
    EXPECT_FALSE(Address::parse_with_port(text).has_value()) << '"' << text << '"';
  }
}

TEST(Address, AnIpv4AddressInIpv6DressIsIpv4) {
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(80);
  inet_pton(AF_INET6, "::ffff:203.0.113.7", &mapped.sin6_addr);
  const auto address = Address::from_sockaddr(reinterpret_cast<sockaddr*>(&mapped), sizeof mapped);
  EXPECT_EQ(address.family(), AF_INET);
  EXPECT_EQ(address, *Address::parse("203.0.113.7", 80));
  EXPECT_EQ(*Address::parse("::ffff:203.0.113.7", 80), *Address::parse("203.0.113.7", 80));
}

TEST(Address, ComparesAddressAndPort) {
  EXPECT_EQ(*Address::parse("203.0.113.7", 80), *Address::parse("203.0.113.7", 80));
  EXPECT_NE(*Address::parse("203.0.113.7", 80), *Address::parse("203.0.113.7", 81));
  EXPECT_NE(*Address::parse("203.0.113.7", 80), *Address::parse("203.0.113.8", 80));
  EXPECT_NE(*Address::parse("::1", 80), *Address::parse("127.0.0.1", 80));
}

TEST(Address, WithPortChangesThePortAlone) {
  EXPECT_EQ(Address::parse("203.0.113.7", 80)->with_port(443).to_string(), "203.0.113.7:443");
  EXPECT_EQ(Address::parse("::1", 80)->with_port(443).to_string(), "[::1]:443");
}

TEST(Address, KnowsLoopback) {
  for (const auto* ip : {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(Address::parse(ip, 1)->is_loopback()) << ip;
  }
  for (const auto* ip : {"128.0.0.1", "0.0.0.0", "::", "::2", "10.0.0.1"}) {
    EXPECT_FALSE(Address::parse(ip, 1)->is_loopback()) << ip;
  }
  EXPECT_TRUE(Address::unix_peer().is_loopback());
}

TEST(Address, OneClientsIpv6AddressesHaveOneKey) {
  const auto key = [](const char* ip) { return Address::parse(ip, 0)->key(true); };
  EXPECT_EQ(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::2"));
  EXPECT_NE(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
  EXPECT_NE(key("203.0.113.7"), key("203.0.113.8"));
  EXPECT_NE(Address::parse("2001:db8:0:1::1", 0)->key(), Address::parse("2001:db8:0:1::2", 0)->key());
}

TEST(Address, OfAUnixSocketHasNoNumbers) {
  EXPECT_EQ(Address::unix_peer().ip(), "unix:");
  EXPECT_EQ(Address::unix_peer().to_string(), "unix:");
  EXPECT_EQ(Address::unix_peer().port(), 0);
}

TEST(Network, ContainsItsAddresses) {
  const auto v4 = *Network::parse("203.0.113.0/24");
  EXPECT_TRUE(v4.contains(*Address::parse("203.0.113.0", 1)));
  EXPECT_TRUE(v4.contains(*Address::parse("203.0.113.255", 1)));
  EXPECT_FALSE(v4.contains(*Address::parse("203.0.114.0", 1)));
  const auto odd = *Network::parse("10.16.0.0/13");
  EXPECT_TRUE(odd.contains(*Address::parse("10.23.255.255", 1)));
  EXPECT_FALSE(odd.contains(*Address::parse("10.24.0.0", 1)));
  const auto v6 = *Network::parse("2001:db8::/33");
  EXPECT_TRUE(v6.contains(*Address::parse("2001:db8:7fff::1", 1)));
  EXPECT_FALSE(v6.contains(*Address::parse("2001:db8:8000::1", 1)));
}

TEST(Network, OfOneAddressContainsThatOne) {
  const auto one = *Network::parse("203.0.113.7");
  EXPECT_TRUE(one.contains(*Address::parse("203.0.113.7", 1)));
  EXPECT_FALSE(one.contains(*Address::parse("203.0.113.6", 1)));
  EXPECT_TRUE(Network::parse("::1")->contains(*Address::parse("::1", 1)));
}

TEST(Network, AllOfOneFamilyIsNotAllOfTheOther) {
  EXPECT_TRUE(Network::parse("0.0.0.0/0")->contains(*Address::parse("203.0.113.7", 1)));
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->contains(*Address::parse("2001:db8::1", 1)));
  EXPECT_TRUE(Network::parse("::/0")->contains(*Address::parse("2001:db8::1", 1)));
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->contains(Address::unix_peer()));
}

TEST(Network, RefusesWhatIsNone) {
  for (const auto* text : {"", "/", "203.0.113.0/33", "203.0.113.0/-1", "203.0.113.0/", "203.0.113.0/24x", "::/129",
                           "example.com/24", "203.0.113.0/24/24"}) {
    EXPECT_FALSE(Network::parse(text).has_value()) << '"' << text << '"';
  }
}

}  // namespace
}  // namespace hybridge
