// Values of the admin API as JSON Schema (2020-12). tests/blackbox holds every answer against them.
#include "admin/openapi.h"

namespace hybridge {

const std::string_view kOpenApiSchemas = R"json(
"Name": {"type": "string", "description": "A host name in lower case; of hosts and certificates also *.example.com", "maxLength": 255},
"Server": {
  "type": "object", "additionalProperties": false, "required": ["endpoints"],
  "properties": {
    "endpoints": {"type": "array", "minItems": 1, "items": {
      "type": "object", "additionalProperties": false, "required": ["address"],
      "properties": {
        "address": {"type": "string", "description": "A host name, or an IP address without brackets"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 80},
        "weight": {"type": "integer", "minimum": 1, "default": 1}}}},
    "tls": {"type": "object", "additionalProperties": false, "properties": {
      "mode": {"enum": ["off", "verify"], "default": "off"},
      "name": {"type": "string", "description": "What its certificate must be for; otherwise the server's name"},
      "ca": {"type": "string", "description": "PEM; otherwise the system's authorities"}}},
    "agent": {"type": "object", "additionalProperties": false, "properties": {
      "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 443}}},
    "limits": {"type": "object", "additionalProperties": false, "properties": {
      "connections": {"type": "integer"}, "waiting": {"type": "integer"}}},
    "health": {"type": "object", "additionalProperties": false, "properties": {
      "path": {"type": "string", "pattern": "^/", "maxLength": 1024,
        "description": "What the health check asks it for; otherwise what upstream.health.check.path says, / by default"}}}}},
"Site": {
  "type": "object", "required": ["server"],
  "properties": {
    "server": {"type": "string"},
    "status": {"enum": ["active", "suspended", "suspended_saas", "deactivated"], "default": "active"},
    "in_band": {"type": "boolean", "default": true}}},
"Host": {
  "type": "object",
  "description": "The redirect wins while it is there; of a wildcard {} any site below it by its own name",
  "properties": {
    "site": {"$ref": "#/components/schemas/Name"},
    "redirect": {"$ref": "#/components/schemas/Name"},
    "code_server": {"type": "boolean", "default": false}}},
"Rule": {
  "type": "object",
  "description": "One of redirect, deny, class, header and limit, for the requests that all of match holds for",
  "properties": {
    "id": {"type": "string"},
    "order": {"type": "integer", "minimum": 0},
    "match": {"type": "object", "properties": {
      "host": {"$ref": "#/components/schemas/Pattern"}, "path": {"$ref": "#/components/schemas/Pattern"},
      "method": {"$ref": "#/components/schemas/Pattern"},
      "header": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Pattern"}}}},
    "redirect": {"type": "object", "required": ["to"], "properties": {
      "to": {"type": "string"}, "status": {"enum": [301, 302, 303, 307, 308], "default": 308}}},
    "deny": {"type": "object", "properties": {
      "status": {"type": "integer", "default": 403}, "message": {"type": "string"}}},
    "class": {"type": "string"},
    "header": {"type": "object", "required": ["name", "value"], "properties": {
      "name": {"type": "string"}, "value": {"type": "string"},
      "on": {"enum": ["request", "response"], "default": "request"}}},
    "limit": {"type": "object", "required": ["requests"], "properties": {
      "requests": {"type": "integer", "minimum": 1}, "per": {"enum": ["second", "minute", "hour"]},
      "burst": {"type": "integer", "minimum": 0, "default": 0}}}}},
"Pattern": {"type": "string", "description": "RE2, searched: write ^ and $"},
"Document": {
  "type": "object", "additionalProperties": false,
  "properties": {
    "servers": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Server"}},
    "sites": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Site"}},
    "hosts": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Host"}},
    "rules": {"type": "array", "maxItems": 1000, "items": {"$ref": "#/components/schemas/Rule"}}}},
"Patch": {
  "type": "array", "maxItems": 10000,
  "items": {
    "type": "object", "additionalProperties": false, "required": ["op", "kind", "name"],
    "properties": {
      "op": {"enum": ["put", "delete"]},
      "kind": {"enum": ["server", "site", "host", "rule"]},
      "name": {"type": "string"},
      "value": {"type": "object", "description": "Of that kind; for put"}}}},
"Pair": {
  "type": "object", "additionalProperties": false, "required": ["chain", "key"],
  "properties": {
    "chain": {"type": "string", "description": "PEM, the leaf first"},
    "key": {"type": "string", "description": "PEM"}}},
"Pairs": {
  "oneOf": [
    {"$ref": "#/components/schemas/Pair"},
    {"type": "object", "additionalProperties": false, "required": ["pairs"], "properties": {
      "pairs": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"$ref": "#/components/schemas/Pair"}}}}]},
"Certificate": {
  "type": "object",
  "required": ["host", "names", "covers_host", "not_before", "not_after", "fingerprint", "key_types", "issuer", "revision"],
  "properties": {
    "host": {"$ref": "#/components/schemas/Name"},
    "names": {"type": "array", "items": {"type": "string"}},
    "covers_host": {"type": "boolean"},
    "not_before": {"type": "string", "format": "date-time"},
    "not_after": {"type": "string", "format": "date-time"},
    "fingerprint": {"type": "string", "description": "SHA-256 of the leaf, hexadecimal"},
    "key_types": {"type": "array", "items": {"type": "string"}},
    "issuer": {"type": "string"},
    "revision": {"type": "integer"}}},
"Certificates": {
  "type": "object", "required": ["certificates"],
  "properties": {
    "certificates": {"type": "array", "items": {"$ref": "#/components/schemas/Certificate"}},
    "next": {"type": "string"}}},
"Fault": {
  "type": "object", "required": ["path", "message"],
  "properties": {"path": {"type": "string"}, "message": {"type": "string"}}},
"Written": {
  "type": "object", "required": ["revision"],
  "properties": {
    "revision": {"type": "integer"},
    "live": {"type": "boolean", "description": "false: not yet served by every worker"},
    "durable": {"type": "boolean", "description": "false: served, but the disk would not take it"},
    "dry_run": {"type": "boolean"}, "puts": {"type": "integer"}, "deletions": {"type": "integer"},
    "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}}}},
"Problem": {
  "type": "object", "required": ["type", "title", "status", "code", "detail"],
  "properties": {
    "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
    "code": {"type": "string", "description": "Stable, for programs"},
    "detail": {"type": "string", "description": "For people"},
    "faults": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
    "fault_count": {"type": "integer"}}},
"Explanation": {
  "type": "object", "required": ["answer", "steps"],
  "properties": {
    "answer": {"type": "string"},
    "steps": {"type": "array", "items": {"type": "object", "required": ["name", "value"], "properties": {
      "name": {"type": "string"}, "value": {"type": "string"}}}}}},
"Audit": {
  "type": "object", "required": ["audit"],
  "properties": {
    "audit": {"type": "array", "items": {
      "type": "object", "required": ["id", "at", "revision", "who", "action", "detail"],
      "properties": {
        "id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}, "revision": {"type": "integer"},
        "who": {"type": "string"}, "action": {"type": "string"}, "detail": {"type": "object"}}}},
    "next": {"type": "integer"}}},
"Request": {
  "type": "object", "required": ["request", "why"],
  "properties": {
    "request": {"type": "object", "description": "The fields of the access log's line"},
    "why": {"type": "string", "description": "What its reason means"},
    "detail": {"type": "string"}}},
"Requests": {
  "type": "object", "required": ["requests"],
  "properties": {"requests": {"type": "array", "items": {"$ref": "#/components/schemas/Request"}}}},
"SiteStats": {
  "type": "object", "required": ["site", "requests", "by_class", "bytes_in", "bytes_out", "duration_ms"],
  "description": "Since the process began",
  "properties": {
    "site": {"$ref": "#/components/schemas/Name"},
    "requests": {"type": "integer"},
    "by_class": {"type": "object", "additionalProperties": {"type": "integer"}},
    "bytes_in": {"type": "integer"}, "bytes_out": {"type": "integer"},
    "duration_ms": {"type": "integer", "description": "Of all its requests together, without tunnels"}}},
"HoldWish": {
  "type": "object", "required": ["scope"], "additionalProperties": false,
  "properties": {
    "id": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "description": "Given where it is missing"},
    "scope": {"oneOf": [
      {"type": "object", "required": ["site"], "additionalProperties": false, "properties": {"site": {"$ref": "#/components/schemas/Name"}}},
      {"type": "object", "required": ["server"], "additionalProperties": false, "properties": {"server": {"$ref": "#/components/schemas/Name"}}}]},
    "extra_domains": {"type": "array", "items": {"$ref": "#/components/schemas/Name"}, "description": "Other sites of the table that are the same to their users"},
    "reason": {"type": "string", "maxLength": 1000},
    "drain_timeout": {"$ref": "#/components/schemas/HoldDuration"},
    "on_stragglers": {"enum": ["wait", "cut", "abort"], "default": "wait"},
    "lease": {"$ref": "#/components/schemas/HoldDuration"},
    "hard_max": {"$ref": "#/components/schemas/HoldDuration"},
    "on_expire": {"enum": ["page", "pass"], "default": "page"},
    "expected_end": {"description": "A time (2026-11-26T15:30:00Z), or a duration from now", "type": ["string", "integer"]},
    "websockets": {"enum": ["keep", "close"], "default": "keep"},
    "preview": {"type": "array", "items": {"type": "string"}, "description": "Networks that go on in spite of it"},
    "dry_run": {"type": "boolean"}}},
"HoldDuration": {"type": ["string", "integer"], "description": "500ms, 30s, 15m, 4h, or seconds", "examples": ["30s", 30]},
"Hold": {
  "type": "object",
  "properties": {
    "noop": {"type": "boolean"}, "why": {"type": "string"}, "durable": {"type": "boolean"},
    "id": {"type": "string"}, "scope": {"type": "object"},
    "state": {"enum": ["draining", "holding", "releasing", "paging", "ended"]},
    "outcome": {"enum": ["released", "aborted", "expired"]},
    "epoch": {"type": "integer"}, "drained": {"type": "boolean"}, "clean": {"type": "boolean"},
    "in_flight": {"type": "integer"}, "passing": {"type": "integer"}, "websockets": {"type": "integer"},
    "held": {"type": "integer"},
    "stragglers": {"type": "array", "items": {"type": "object", "properties": {
      "method": {"type": "string"}, "path": {"type": "string"}, "site": {"type": "string"},
      "age_ms": {"type": "integer"}, "answering": {"type": "boolean"}}}},
    "cut": {"type": "integer"}, "released": {"type": "integer"}, "expired": {"type": "integer"},
    "client_gone": {"type": "integer"}, "refused": {"type": "integer"},
    "claims": {"type": "array", "items": {"type": "object"}},
    "reason": {"type": "string"}, "who": {"type": "string"}, "held_again": {"type": "integer"},
    "began_at": {"type": "string"}, "expires_at": {"type": "string"}, "hard_max_at": {"type": "string"},
    "expected_end": {"type": "string"}, "ended_at": {"type": "string"}}},
"Holds": {
  "type": "object", "required": ["holds"],
  "properties": {"holds": {"type": "array", "items": {"$ref": "#/components/schemas/Hold"}}}},
"HoldRelease": {
  "type": "object", "additionalProperties": false,
  "properties": {
    "outcome": {"enum": ["released", "aborted"]},
    "server": {"$ref": "#/components/schemas/Name"},
    "if_revision": {"type": "integer", "minimum": 0}}},
"HoldPreview": {
  "type": "object", "required": ["token", "cookie", "header"],
  "properties": {"token": {"type": "string"}, "cookie": {"type": "string"}, "header": {"type": "string"}}},
"Upgrade": {
  "type": "object", "required": ["pid", "upgrade"],
  "properties": {"pid": {"type": "integer"}, "upgrade": {"type": "string"}}},
"Status": {
  "type": "object", "required": ["version", "ready", "uptime_s", "workers", "connections", "revision", "store_revision", "live_revision"],
  "properties": {
    "version": {"type": "string"}, "ready": {"type": "boolean"}, "uptime_s": {"type": "integer"},
    "workers": {"type": "integer"}, "connections": {"type": "integer"}, "revision": {"type": "integer"},
    "store_revision": {"type": "integer"}, "live_revision": {"type": "integer"}, "servers": {"type": "integer"},
    "sites": {"type": "integer"}, "hosts": {"type": "integer"}, "certificates": {"type": "integer"},
    "certificates_expiring": {"type": "integer"},
    "expiring": {"type": "array", "items": {"type": "object", "properties": {
      "host": {"type": "string"}, "not_after": {"type": "string", "format": "date-time"}}}},
    "pid": {"type": "integer"}, "upgrade": {"type": "string", "description": "What became of the last one"},
    "servers_up": {"type": "integer", "description": "Of those that have been asked"},
    "servers_down_count": {"type": "integer"},
    "servers_down": {"type": "array", "items": {"type": "object", "properties": {
      "name": {"type": "string"}, "since": {"type": "string", "format": "date-time"}, "why": {"type": "string"}}}},
    "quarantined_count": {"type": "integer"},
    "quarantined": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}}}},
"OpenApi": {"type": "object", "required": ["openapi"], "properties": {"openapi": {"type": "string"}}}
)json";

}  // namespace hybridge
