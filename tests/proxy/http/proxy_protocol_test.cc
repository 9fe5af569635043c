#include "proxy/http/proxy_protocol.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "tests/proxy/http/heads.h"

namespace hybridge::http {
namespace {

using namespace std::string_literals;
using State = ProxyHeader::State;

std::string text(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
    return host + (":" + std::to_string(ntohs(v4.sin_port)));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
  return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6.sin6_port));
}

// The header of bytes that begin with one; every shorter piece must ask for more.
ProxyHeader complete(const std::string& bytes) {
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto part = parse_proxy_header(std::string_view(bytes).substr(0, n));
    EXPECT_TRUE(part && part->state == State::kIncomplete) << n;
  }
  auto header = parse_proxy_header(bytes + "GET / HTTP/1.1\r\n");
  EXPECT_TRUE(header) << header.error().detail;
  EXPECT_EQ(header->state, State::kComplete);
  EXPECT_EQ(header->bytes, bytes.size());
  return *header;
}

// Refused as a whole, and in one-byte pieces at some point.
Reason refused(const std::string& bytes) {
  bool piecewise = false;
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    piecewise = piecewise || !parse_proxy_header(std::string_view(bytes).substr(0, n));
  }
  EXPECT_TRUE(piecewise);
  return test::reason_of(parse_proxy_header(bytes));
}

std::string version2(char command, char family, std::string_view rest) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += command;
  out += family;
  out += static_cast<char>(rest.size() >> 8);
  out += static_cast<char>(rest.size() & 0xff);
  return out.append(rest);
}
const std::string kV4 = "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"s;

TEST(ProxyProtocol1, ReadsIpv4) {
  const auto header = complete("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
  EXPECT_TRUE(header.has_addresses);
  EXPECT_EQ(text(header.source), "192.0.2.1:56324");
  EXPECT_EQ(text(header.destination), "198.51.100.7:443");
}

TEST(ProxyProtocol1, ReadsIpv6) {
  const auto header = complete("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n");
  EXPECT_EQ(text(header.source), "[2001:db8::1]:1");
  EXPECT_EQ(text(header.destination), "[::1]:65535");
}

TEST(ProxyProtocol1, TakesUnknownForTheConnectionItself) {
  EXPECT_FALSE(complete("PROXY UNKNOWN\r\n").has_addresses);
  EXPECT_FALSE(complete("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").has_addresses);
}

TEST(ProxyProtocol1, TakesTheLongestHeader) {
  EXPECT_FALSE(complete("PROXY UNKNOWN " + std::string(107 - 16, 'x') + "\r\n").has_addresses);
  EXPECT_EQ(refused("PROXY UNKNOWN " + std::string(107 - 15, 'x') + "\r\n"), Reason::kBadProxyHeader);
}

struct Bad {
  const char* name;
  std::string bytes;
};
class BadProxyHeader : public testing::TestWithParam<Bad> {};

TEST_P(BadProxyHeader, IsRefused) {
  EXPECT_EQ(refused(GetParam().bytes), Reason::kBadProxyHeader);
}

INSTANTIATE_TEST_SUITE_P(
    Version1, BadProxyHeader,
    testing::Values(
        Bad{"OtherProtocol", "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"}, Bad{"Udp", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"},
        Bad{"LowerCase", "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"}, Bad{"Glued", "PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n"},
        Bad{"Empty", "PROXY\r\n"}, Bad{"TwoSpaces", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"},
        Bad{"SpaceAtEnd", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"}, Bad{"FamilyMismatch", "PROXY TCP4 ::1 ::1 1 2\r\n"},
        Bad{"FamilyMismatch6", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"},
        Bad{"AddressMissing", "PROXY TCP4 1.2.3.4 1 2\r\n"}, Bad{"AddressName", "PROXY TCP4 localhost 1.2.3.4 1 2\r\n"},
        Bad{"AddressOverflow", "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n"},
        Bad{"PortMissing", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"},
        Bad{"PortTooLarge", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"},
        Bad{"PortHuge", "PROXY TCP4 1.2.3.4 1.2.3.4 1 4294967298\r\n"},
        Bad{"PortPadded", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"},
        Bad{"PortSigned", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"}, Bad{"BareLf", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"},
        Bad{"BareCr", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rG"}, Bad{"Nul", "PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"s},
        Bad{"NeverEnds", "PROXY TCP4 " + std::string(200, '1')}),
    test::case_name<testing::TestParamInfo<Bad>>);

INSTANTIATE_TEST_SUITE_P(Version2, BadProxyHeader,
                         testing::Values(Bad{"Version1InBinary", version2('\x11', '\x11', kV4)},
                                         Bad{"Version3", version2('\x31', '\x11', kV4)},
                                         Bad{"UnknownCommand", version2('\x22', '\x11', kV4)},
                                         Bad{"Udp4", version2('\x21', '\x12', kV4)},
                                         Bad{"UnknownFamily", version2('\x21', '\x41', kV4)},
                                         Bad{"TooShort4", version2('\x21', '\x11', kV4.substr(1))},
                                         Bad{"TooShort6", version2('\x21', '\x21', kV4)},
                                         Bad{"TooLong", version2('\x21', '\x11', kV4 + std::string(4085, '\0'))},
                                         Bad{"ExtensionCut", version2('\x21', '\x11', kV4 + "\x04\x00\x05zz"s)},
                                         Bad{"ExtensionHeadCut", version2('\x21', '\x11', kV4 + "\x04\x00"s)}),
                         test::case_name<testing::TestParamInfo<Bad>>);

TEST(ProxyProtocol2, ReadsIpv4) {
  const auto header = complete(version2('\x21', '\x11', kV4));
  EXPECT_TRUE(header.has_addresses);
  EXPECT_EQ(text(header.source), "192.0.2.1:56324");
  EXPECT_EQ(text(header.destination), "198.51.100.7:443");
}

TEST(ProxyProtocol2, ReadsIpv6) {
  std::string rest(15, '\0');
  rest += '\x01';
  rest += std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\x02';
  rest += std::string("\x00\x50\xff\xff", 4);
  const auto header = complete(version2('\x21', '\x21', rest));
  EXPECT_EQ(text(header.source), "[::1]:80");
  EXPECT_EQ(text(header.destination), "[2001:db8::2]:65535");
}

TEST(ProxyProtocol2, PassesOverExtensions) {
  const auto header = complete(version2('\x21', '\x11', kV4 + "\x04\x00\x00\x02\x00\x03"s + "abc"));
  EXPECT_EQ(text(header.source), "192.0.2.1:56324");
}

TEST(ProxyProtocol2, TakesLocalAndUnaddressedForTheConnectionItself) {
  EXPECT_FALSE(complete(version2('\x20', '\x00', "")).has_addresses);
  EXPECT_FALSE(complete(version2('\x20', '\x11', kV4)).has_addresses);
  EXPECT_FALSE(complete(version2('\x21', '\x00', "whatever")).has_addresses);
  EXPECT_FALSE(complete(version2('\x21', '\x31', std::string(216, 'x'))).has_addresses);
}

TEST(ProxyProtocol, IsAbsentWhereSomethingElseBegins) {
  for (const std::string_view bytes : {"GET / HTTP/1.1\r\n", "PROPFIND / HTTP/1.1\r\n", "PR ", "POST", "\x16\x03\x01",
                                       "\r\n\r\nGET", "proxy TCP4", "\n"}) {
    const auto header = parse_proxy_header(bytes);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->state, State::kAbsent) << bytes;
  }
}

}  // namespace
}  // namespace hybridge::http
