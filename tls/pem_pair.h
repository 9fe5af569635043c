// One chain and its key, from PEM to checked OpenSSL objects: the inner half of parse_certificate().
//
// Pure functions; slow, not for a worker's thread.
#pragma once

#include "base/error.h"
#include "tls/certificate.h"

namespace hybridge {

// kInvalid: a sentence without the key's bytes.
Result<Certificate::Pair> parse_pem_pair(const PemPair& pem);

// All certificates of a PEM text, in its order; other blocks are passed over. kInvalid, and never an empty one.
Result<std::vector<SslPtr<X509>>> parse_pem_certificates(std::string_view pem);

std::size_t memory_of(const Certificate::Pair& pair);  // bytes, about: measured for OpenSSL 3.0

// The subject, or for a certificate without one its serial number: what to call it in a message.
std::string subject_of(const X509* certificate);

}  // namespace hybridge
