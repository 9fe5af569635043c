// Requests that are refused, with the reason. Each is scanned whole and in pieces (heads.h).
#include <gtest/gtest.h>

#include "tests/proxy/http/heads.h"

namespace hybridge::http {
namespace {

using namespace std::string_literals;
using test::parse;

struct Refusal {
  const char* name;
  std::string bytes;
  Reason reason;
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithItsReason) {
  RequestHead head;
  EXPECT_EQ(parse(head, GetParam().bytes), GetParam().reason) << GetParam().bytes;
}

std::string get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a.test\r\n\r\n";
}
std::string with(std::string_view fields) {
  return "POST / HTTP/1.1\r\nHost: a.test\r\n" + std::string(fields) + "\r\n";
}
std::string host(std::string_view value) {
  return "GET / HTTP/1.1\r\nHost: " + std::string(value) + "\r\n\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    RequestLine, Refused,
    testing::Values(Refusal{"HTTP09", "GET /\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"HTTP09Named", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"NoSpaces", "GET\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"TwoSpacesAfterMethod", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"TwoSpacesBeforeVersion", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"SpaceAfterVersion", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"SpaceBeforeMethod", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"TabForSpace", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"TabBeforeVersion", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"MixedCaseVersion", "GET / HTTp/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"VersionWithoutMinor", "GET / HTTP/1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"VersionWithoutDot", "GET / HTTP/11\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"VersionTwoDigits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"VersionPadded", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"VersionComma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"VersionLetter", "GET / HTTP/1.x\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"OtherProtocol", "GET / ICE/1.0\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"MethodWithSeparator", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"MethodWithColon", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"MethodWithHighByte", "G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"MethodEmpty", " / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"MethodTooLong", std::string(65, 'M') + " / HTTP/1.1\r\nHost: a\r\n\r\n",
                            Reason::kBadRequestLine},
                    Refusal{"NulInMethod", "G\0ET / HTTP/1.1\r\nHost: a\r\n\r\n"s, Reason::kBadRequestLine},
                    Refusal{"BareLf", "GET / HTTP/1.1\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"BareCr", "GET / HTTP/1.1\rHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"TwoCrs", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"CrInTarget", "GET /\rX HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"EmptyFirstLine", "\r\n\r\n", Reason::kBadRequestLine},
                    Refusal{"TlsClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, Reason::kBadRequestLine},
                    Refusal{"Http2Preface", "PRI * HTTP/2.0\r\n\r\n", Reason::kVersionNotSupported},
                    Refusal{"Http2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", Reason::kVersionNotSupported},
                    Refusal{"Http3", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", Reason::kVersionNotSupported},
                    Refusal{"Http99", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", Reason::kVersionNotSupported},
                    Refusal{"Trace", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kMethodNotAllowed},
                    Refusal{"Connect", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Reason::kMethodNotAllowed},
                    Refusal{"ConnectPath", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kMethodNotAllowed}),
    test::case_name<testing::TestParamInfo<Refusal>>);

INSTANTIATE_TEST_SUITE_P(
    Target, Refused,
    testing::Values(
        Refusal{"NoSlash", get("x"), Reason::kBadTarget}, Refusal{"Asterisk", get("*"), Reason::kBadTarget},
        Refusal{"AsteriskAndMore", "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n", Reason::kBadTarget},
        Refusal{"AuthorityForm", get("a.test:80"), Reason::kBadTarget},
        Refusal{"QueryOnly", get("?a"), Reason::kBadTarget}, Refusal{"Fragment", get("/a#b"), Reason::kBadTarget},
        Refusal{"FragmentInQuery", get("/a?b#c"), Reason::kBadTarget},
        Refusal{"Nul", get("/a\0b"s), Reason::kBadRequestLine},
        Refusal{"Control", get("/a\x01"), Reason::kBadRequestLine},
        Refusal{"Delete", get("/a\x7f"), Reason::kBadRequestLine}, Refusal{"Tab", get("/a\tb"), Reason::kBadTarget},
        Refusal{"EscapedNul", get("/a%00b"), Reason::kBadTarget}, Refusal{"NoEscape", get("/%zz"), Reason::kBadTarget},
        Refusal{"HalfEscape", get("/%a"), Reason::kBadTarget},
        Refusal{"HalfEscapeBeforeQuery", get("/%a?b"), Reason::kBadTarget},
        Refusal{"EscapeAtEnd", get("/a%"), Reason::kBadTarget},
        Refusal{"EscapeSplitBySlash", get("/%2/f"), Reason::kBadTarget},
        Refusal{"AboveRoot", get("/../x"), Reason::kBadTarget},
        Refusal{"AboveRootAtEnd", get("/.."), Reason::kBadTarget},
        Refusal{"AboveRootBeforeQuery", get("/..?x"), Reason::kBadTarget},
        Refusal{"AboveRootLater", get("/a/../../x"), Reason::kBadTarget},
        Refusal{"AboveRootEscaped", get("/%2e%2e/x"), Reason::kBadTarget},
        Refusal{"AboveRootHalfEscaped", get("/.%2E/x"), Reason::kBadTarget},
        Refusal{"AboveRootByEscapedSlash", get("/a%2f..%2f..%2fx"), Reason::kBadTarget},
        Refusal{"AboveRootByEmptySegment", get("//../x"), Reason::kBadTarget},
        Refusal{"AboveRootByDot", get("/./../x"), Reason::kBadTarget},
        Refusal{"OtherScheme", get("ftp://a.test/"), Reason::kBadTarget},
        Refusal{"SchemeOnly", get("http://"), Reason::kBadTarget},
        Refusal{"SchemeAndSlash", get("http:///x"), Reason::kBadTarget},
        Refusal{"SchemeAndQuery", get("http://?x"), Reason::kBadTarget},
        Refusal{"OneSlash", get("http:/a.test/"), Reason::kBadTarget},
        Refusal{"UserInformation", get("http://u:p@a.test/"), Reason::kBadTarget},
        Refusal{"AbsoluteFragment", get("http://a.test/#x"), Reason::kBadTarget},
        Refusal{"AbsoluteAboveRoot", get("http://a.test/../x"), Reason::kBadTarget},
        Refusal{"AbsoluteBadPort", get("http://a.test:0/"), Reason::kBadTarget},
        Refusal{"AbsoluteEmptyPort", get("http://a.test:/"), Reason::kBadTarget},
        Refusal{"AbsoluteOtherHost", get("http://b.test/"), Reason::kBadHost},
        Refusal{"AbsoluteOtherPort", get("http://a.test:8080/"), Reason::kBadHost},
        Refusal{"AbsoluteDefaultPortOfOtherScheme", get("http://a.test:443/"), Reason::kBadHost},
        Refusal{"AbsoluteLongerHost", get("http://a.test.evil/"), Reason::kBadHost},
        Refusal{"AbsoluteWithoutHost", "GET http://a.test/ HTTP/1.1\r\n\r\n", Reason::kBadHost}),
    test::case_name<testing::TestParamInfo<Refusal>>);

INSTANTIATE_TEST_SUITE_P(
    Host, Refused,
    testing::Values(
        Refusal{"Missing", "GET / HTTP/1.1\r\n\r\n", Reason::kBadHost},
        Refusal{"MissingIn10", "GET / HTTP/1.0\r\n\r\n", Reason::kBadHost},
        Refusal{"Empty", host(""), Reason::kBadHost}, Refusal{"Blank", host("  \t "), Reason::kBadHost},
        Refusal{"Twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Reason::kBadHost},
        Refusal{"TwiceTheSame", "GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", Reason::kBadHost},
        Refusal{"List", host("a, b"), Reason::kBadHost}, Refusal{"Space", host("a b"), Reason::kBadHost},
        Refusal{"UserInformation", host("u@a"), Reason::kBadHost}, Refusal{"Slash", host("a/b"), Reason::kBadHost},
        Refusal{"Backslash", host("a\\b"), Reason::kBadHost}, Refusal{"Scheme", host("http://a"), Reason::kBadHost},
        Refusal{"Query", host("a?b"), Reason::kBadHost}, Refusal{"Escape", host("a%41"), Reason::kBadHost},
        Refusal{"Quote", host("a\""), Reason::kBadHost}, Refusal{"HighByte", host("\xc3\xa4.test"), Reason::kBadHost},
        Refusal{"Semicolon", host("a;b"), Reason::kBadHost}, Refusal{"Wildcard", host("*.test"), Reason::kBadHost},
        Refusal{"DotOnly", host("."), Reason::kBadHost}, Refusal{"LeadingDot", host(".a"), Reason::kBadHost},
        Refusal{"TwoTrailingDots", host("a.."), Reason::kBadHost},
        Refusal{"EmptyLabel", host("a..b"), Reason::kBadHost},
        Refusal{"TooLong", host(std::string(254, 'a')), Reason::kBadHost},
        Refusal{"PortEmpty", host("a:"), Reason::kBadHost}, Refusal{"PortZero", host("a:0"), Reason::kBadHost},
        Refusal{"PortTooLarge", host("a:65536"), Reason::kBadHost},
        Refusal{"PortHuge", host("a:99999999999999999999"), Reason::kBadHost},
        Refusal{"PortPadded", host("a:080"), Reason::kBadHost}, Refusal{"PortSigned", host("a:+80"), Reason::kBadHost},
        Refusal{"PortName", host("a:http"), Reason::kBadHost}, Refusal{"PortSpaced", host("a: 80"), Reason::kBadHost},
        Refusal{"TwoPorts", host("a:80:80"), Reason::kBadHost}, Refusal{"PortOnly", host(":80"), Reason::kBadHost},
        Refusal{"Ipv6WithoutBrackets", host("::1"), Reason::kBadHost},
        Refusal{"Ipv6Open", host("[::1"), Reason::kBadHost}, Refusal{"Ipv6Empty", host("[]"), Reason::kBadHost},
        Refusal{"Ipv6Malformed", host("[1:2]"), Reason::kBadHost},
        Refusal{"Ipv6Zone", host("[fe80::1%25eth0]"), Reason::kBadHost},
        Refusal{"IpFuture", host("[v1.x]"), Reason::kBadHost}, Refusal{"Ipv6AndMore", host("[::1]x"), Reason::kBadHost},
        Refusal{"Ipv6AndName", host("[::1].test:80"), Reason::kBadHost},
        Refusal{"Ipv4InBrackets", host("[127.0.0.1]"), Reason::kBadHost}),
    test::case_name<testing::TestParamInfo<Refusal>>);

INSTANTIATE_TEST_SUITE_P(
    Fields, Refused,
    testing::Values(Refusal{"SpaceBeforeColon", with("X : y\r\n"), Reason::kBadHeader},
                    Refusal{"TabBeforeColon", with("X\t: y\r\n"), Reason::kBadHeader},
                    Refusal{"Folded", with("X: y\r\n z\r\n"), Reason::kBadHeader},
                    Refusal{"FoldedByTab", with("X: y\r\n\tz\r\n"), Reason::kBadHeader},
                    Refusal{"SpaceBeforeFirst", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Reason::kBadHeader},
                    Refusal{"NoColon", with("Xy\r\n"), Reason::kBadHeader},
                    Refusal{"NoName", with(": y\r\n"), Reason::kBadHeader},
                    Refusal{"SpaceInName", with("X Y: z\r\n"), Reason::kBadHeader},
                    Refusal{"ParenthesisInName", with("X(: z\r\n"), Reason::kBadHeader},
                    Refusal{"SlashInName", with("X/Y: z\r\n"), Reason::kBadHeader},
                    Refusal{"QuoteInName", with("\"X\": z\r\n"), Reason::kBadHeader},
                    Refusal{"HighByteInName", with("X\xc3\xa4: z\r\n"), Reason::kBadHeader},
                    Refusal{"NulInName", with("X\0: z\r\n"s), Reason::kBadHeader},
                    Refusal{"NulInValue", with("X: a\0b\r\n"s), Reason::kBadHeader},
                    Refusal{"BareCrInValue", with("X: a\rb\r\n"), Reason::kBadHeader},
                    Refusal{"CrAtEndOfValue", with("X: a\r\r\n"), Reason::kBadHeader},
                    Refusal{"BareLfInValue", with("X: a\nY: b\r\n"), Reason::kBadHeader},
                    Refusal{"BareLfAtEnd", "GET / HTTP/1.1\r\nHost: a\r\n\n", Reason::kBadHeader},
                    Refusal{"EscapeInValue", with("X: \x1b[2J\r\n"), Reason::kBadHeader},
                    Refusal{"DeleteInValue", with("X: \x7f\r\n"), Reason::kBadHeader},
                    Refusal{"VerticalTab", with("X: a\vb\r\n"), Reason::kBadHeader},
                    Refusal{"FormFeedBeforeColon", with("X\f: y\r\n"), Reason::kBadHeader},
                    Refusal{"ExpectOther", with("Expect: 200-ok\r\n"), Reason::kExpectationFailed},
                    Refusal{"ExpectTwoThings", with("Expect: 100-continue, x\r\n"), Reason::kExpectationFailed},
                    Refusal{"ExpectEmpty", with("Expect:\r\n"), Reason::kExpectationFailed},
                    Refusal{"ExpectSecondOther", with("Expect: 100-continue\r\nExpect: x\r\n"),
                            Reason::kExpectationFailed}),
    test::case_name<testing::TestParamInfo<Refusal>>);

INSTANTIATE_TEST_SUITE_P(
    Framing, Refused,
    testing::Values(
        Refusal{"LengthAndChunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Reason::kBadFraming},
        Refusal{"ChunkedAndLength", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), Reason::kBadFraming},
        Refusal{"LengthZeroAndChunked", with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
                Reason::kBadFraming},
        Refusal{"TwoLengths", with("Content-Length: 5\r\nContent-Length: 6\r\n"), Reason::kBadFraming},
        Refusal{"TwoEqualLengths", with("Content-Length: 5\r\nContent-Length: 5\r\n"), Reason::kBadFraming},
        Refusal{"LengthList", with("Content-Length: 5, 5\r\n"), Reason::kBadFraming},
        Refusal{"LengthListOther", with("Content-Length: 5,6\r\n"), Reason::kBadFraming},
        Refusal{"LengthEmpty", with("Content-Length:\r\n"), Reason::kBadFraming},
        Refusal{"LengthPlus", with("Content-Length: +5\r\n"), Reason::kBadFraming},
        Refusal{"LengthMinus", with("Content-Length: -5\r\n"), Reason::kBadFraming},
        Refusal{"LengthHex", with("Content-Length: 0x5\r\n"), Reason::kBadFraming},
        Refusal{"LengthHexLetter", with("Content-Length: a\r\n"), Reason::kBadFraming},
        Refusal{"LengthFraction", with("Content-Length: 5.0\r\n"), Reason::kBadFraming},
        Refusal{"LengthInnerSpace", with("Content-Length: 1 0\r\n"), Reason::kBadFraming},
        Refusal{"LengthQuoted", with("Content-Length: \"5\"\r\n"), Reason::kBadFraming},
        Refusal{"LengthUnderscore", with("Content-Length: 1_0\r\n"), Reason::kBadFraming},
        Refusal{"LengthTooLarge", with("Content-Length: 9223372036854775808\r\n"), Reason::kBadFraming},
        Refusal{"LengthWrapsAround", with("Content-Length: 18446744073709551621\r\n"), Reason::kBadFraming},
        Refusal{"LengthArabicDigits", with("Content-Length: \xd9\xa5\r\n"), Reason::kBadFraming},
        Refusal{"CodingIdentity", with("Transfer-Encoding: identity\r\n"), Reason::kBadFraming},
        Refusal{"CodingGzip", with("Transfer-Encoding: gzip, chunked\r\n"), Reason::kBadFraming},
        Refusal{"CodingChunkedNotLast", with("Transfer-Encoding: chunked, gzip\r\n"), Reason::kBadFraming},
        Refusal{"CodingChunkedTwice", with("Transfer-Encoding: chunked, chunked\r\n"), Reason::kBadFraming},
        Refusal{"CodingTwoFields", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                Reason::kBadFraming},
        Refusal{"CodingTwoFieldsOther", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
                Reason::kBadFraming},
        Refusal{"CodingEmpty", with("Transfer-Encoding:\r\n"), Reason::kBadFraming},
        Refusal{"CodingLonger", with("Transfer-Encoding: xchunked\r\n"), Reason::kBadFraming},
        Refusal{"CodingTrailing", with("Transfer-Encoding: chunkedx\r\n"), Reason::kBadFraming},
        Refusal{"CodingQuoted", with("Transfer-Encoding: \"chunked\"\r\n"), Reason::kBadFraming},
        Refusal{"CodingParameter", with("Transfer-Encoding: chunked;q=1\r\n"), Reason::kBadFraming},
        Refusal{"CodingTrailingComma", with("Transfer-Encoding: chunked,\r\n"), Reason::kBadFraming},
        Refusal{"CodingLeadingComma", with("Transfer-Encoding: ,chunked\r\n"), Reason::kBadFraming},
        Refusal{"CodingVerticalTab", with("Transfer-Encoding: \vchunked\r\n"), Reason::kBadHeader},
        Refusal{"CodingFolded", with("Transfer-Encoding:\r\n chunked\r\n"), Reason::kBadHeader},
        Refusal{"CodingSpaceColon", with("Transfer-Encoding : chunked\r\n"), Reason::kBadHeader},
        Refusal{"CodingSwallowed", with("X: y\nTransfer-Encoding: chunked\r\n"), Reason::kBadHeader},
        Refusal{"CodingNul", with("Transfer-Encoding: chunked\0\r\n"s), Reason::kBadHeader},
        Refusal{"CodingIn10", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Reason::kBadFraming}),
    test::case_name<testing::TestParamInfo<Refusal>>);

}  // namespace
}  // namespace hybridge::http
