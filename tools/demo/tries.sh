# What the demonstration shows: the lines that tools/run prints, and what --check expects of them and of some more.
#
# Sourced by tools/run, whose variables it reads: ca, directory, edge, config, token, hybridge, hybridge_pid, the ports.
# shellcheck shell=bash disable=SC2154

site() { printf 'https://%s:%s' "$1" "$https_port"; }

# The five lines, as one would type them.
define_lines() {
  local acme
  acme=$(site acme.demo.localhost)
  line_seen="curl -i --cacert $ca $acme/seen"
  line_domain="curl --cacert $ca $(site erp.acme.localhost)/api/method/ping"
  line_hold="curl -X POST -H 'Authorization: Bearer $token' -d '{\"id\": \"demo\", \"scope\": {\"site\": \"acme.demo.localhost\"}, \"reason\": \"update\"}' '$admin_url/v1/holds?wait=drained'"
  line_release="curl -X POST -H 'Authorization: Bearer $token' $admin_url/v1/holds/demo/release"
  line_upload="curl --cacert $ca -T $directory/upload.bin $acme/files/ && curl -s --cacert $ca $acme/files/upload.bin | cmp - $directory/upload.bin && echo same"
}

print_lines() {
  define_lines
  cat <<END

Hybridge serves, with a customer's nginx behind it. In a browser (it will warn of the demonstration's own authority):

  $(site acme.demo.localhost)/      a site by its own name
  $(site erp.acme.localhost)/       the same by its customer's domain, with that domain's certificate
  $(site globex.demo.localhost)/    one whose server is reached by verified TLS

  status page     $admin_url/ with any user, and as password $token
  admin API       $admin_url/v1/status with -H "Authorization: Bearer $token"
  authority       $ca
  admin socket    $edge/admin.sock
  access log      $edge/access.log
  configuration   $config

Lines to try:

  $line_seen
      what the customer's server saw of it, and what the client is told
  $line_domain
      a call of the site's API under a domain of the customer's own
  $line_upload
      an upload, fetched again and compared
  $line_hold
      a hold begins: nothing of the site is under way any more, and what comes waits. Keep the first page open in a
      browser meanwhile: it asks its server every second, and shows what it is told
  $line_release
      and ends: those who waited go on, in their order, and nobody has seen an error

Ctrl-C ends it and removes what it made.
END
}

passed=0
failed=0

# try NAME COMMAND PATTERN...: each extended regular expression must match a line of what the command says, or must
# not when it begins with `!`. Upper case or lower: HTTP/2, which curl chooses where both sides can, has no upper case.
try() {
  local name=$1 command=$2 said pattern wrong=()
  shift 2
  said=$(timeout 30 bash -c "$command" 2>&1 </dev/null | tr -d '\r\000') || true
  for pattern in "$@"; do
    if [[ $pattern == !* ]]; then
      if grep -qiE -e "${pattern#!}" <<<"$said"; then wrong+=("there should be no line  ${pattern#!}"); fi
    else
      grep -qiE -e "$pattern" <<<"$said" || wrong+=("there should be a line  $pattern")
    fi
  done
  if [[ ${#wrong[@]} == 0 ]]; then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n  $ %s\n' "$name" "$command"
    printf '  %s\n' "${wrong[@]}"
    head -c 3000 <<<"$said" | sed 's/^/  | /'
  fi
}

try_the_lines() {
  local name
  name=$(printf f1.customer.localhost | sha512sum)
  try 'a site by its own name: the answer, and what its server saw' "$line_seen" \
    '^HTTP/[12.]+ 200 ' "^X-Proxy-Upstream: http://${name:0:16}\$" '^X-Request-ID: .+' '^X-Frame-Options: SAMEORIGIN$' \
    '^Strict-Transport-Security: max-age=31536000' '!^Server:' \
    '^GET /seen HTTP/1\.1$' '^Host: acme\.demo\.localhost$' '^X-Real-IP: 127\.0\.0\.1$' \
    '^X-Forwarded-For: 127\.0\.0\.1$' '^X-Forwarded-Proto: https$' '^X-Client-Port: [0-9]+$' \
    "^X-Forwarded-Host: acme\\.demo\\.localhost:$https_port\$" '^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-'
  try "a customer's own domain" "$line_domain" '^\{"message":"pong"\}$'
  try 'an upload, fetched again' "$line_upload" '^same$'
  try 'a hold begins' "$line_hold" '"state":"holding"' '"drained":true' '"clean":true'
  # A page that is open meanwhile: its request waits, and is answered by the site when the hold has ended.
  curl -sSi --cacert "$ca" "$(site acme.demo.localhost)/seen" >"$directory/waited" 2>&1 &
  local waiting=$!
  try 'its requests wait' \
    "for i in \$(seq 100); do $hybridge holds -c $config | grep -q ' 1 held' && break; sleep 0.1; done; $hybridge holds -c $config; cat $directory/waited" \
    '^demo +holding +acme\.demo\.localhost, 1 held' '!HTTP/'
  try 'others do not notice' "curl -sSi --cacert $ca $(site globex.demo.localhost)/seen" '^HTTP/[12.]+ 200 '
  try 'and ends' "$line_release" '"state":"ended"' '"outcome":"released"' '"released":1'
  wait "$waiting" || true
  try 'nobody has seen an error' "cat $directory/waited" '^HTTP/[12.]+ 200 ' '^GET /seen HTTP/1\.1$'
}

try_the_ways_of_a_host() {
  local get="curl -sSi --cacert $ca"
  try "a domain's own certificate" "curl -sSv --cacert $ca $(site erp.acme.localhost)/seen" \
    'subject: CN=erp\.acme\.localhost' '^Host: erp\.acme\.localhost$'
  try 'a wildcard certificate for the rest' "curl -sSv --cacert $ca $(site acme.demo.localhost)/seen" \
    'subject: CN=\*\.demo\.localhost'
  try 'a server behind verified TLS' "$get $(site globex.demo.localhost)/seen" \
    '^HTTP/[12.]+ 200 ' 'TLS: TLSv1\.3, SNI: f2\.customer\.localhost,'
  try 'a host that is sent elsewhere' "$get '$(site www.acme.localhost)/a?b=c'" \
    '^HTTP/[12.]+ 308 ' '^Location: https://erp\.acme\.localhost/a\?b=c$'
  try 'http goes to https' "curl -sSi 'http://acme.demo.localhost:$http_port/app?page=1'" \
    '^HTTP/1\.1 308 ' '^Location: https://acme\.demo\.localhost/app\?page=1$'
  try 'a suspended site' "$get -H 'Accept: text/html' $(site late.demo.localhost)/" \
    '^HTTP/[12.]+ 402 ' '^X-Hybridge-Reason: suspended$' '^Content-Type: text/html'
  try 'a host that nobody has' "$get $(site nobody.demo.localhost)/" \
    '^HTTP/[12.]+ 307 ' '^Location: https://demo\.localhost/dashboard/#/sites/new\?domain=nobody\.demo\.localhost$'
  try 'a deactivated site' "$get $(site closed.demo.localhost)/" '^HTTP/[12.]+ 503 ' '^X-Hybridge-Reason: deactivated$'
  try 'a certificate challenge on port 80' "curl -sSi http://erp.acme.localhost:$http_port/.well-known/acme-challenge/x" \
    '^HTTP/1\.1 301 ' '^Location: http://ssl\.demo\.localhost/\.well-known/acme-challenge/x$'
}

try_what_passes() {
  local acme get="curl -sSi --cacert $ca"
  acme=$(site acme.demo.localhost)
  try 'what a client may not claim is dropped, what is its own passes' \
    "$get -H 'X-Forwarded-For: 192.0.2.66' -H 'X-Real-IP: 192.0.2.66' -H 'CF-Connecting-IP: 192.0.2.66' -H 'Forwarded: for=192.0.2.66' -H 'X-Frappe-Site-Name: other.demo.localhost' -H 'X-Frappe-CSRF-Token: abc' $acme/seen" \
    '^HTTP/[12.]+ 200 ' '^X-Forwarded-For: 127\.0\.0\.1$' '^X-Frappe-CSRF-Token: abc$' '!192\.0\.2\.66' \
    '!other\.demo\.localhost'
  try 'HTTP/2' "$get --http2 $acme/seen" '^HTTP/2 200 ' '^GET /seen HTTP/1\.1$' '^X-Forwarded-Proto: https$'
  try 'HTTP/1.1' "$get --http1.1 $acme/seen" '^HTTP/1\.1 200 OK$' '^GET /seen HTTP/1\.1$'
  try 'an answer that takes its time arrives as it comes' "curl -sSN --max-time 3 --cacert $ca $acme/stream | head -n 20" \
    '^line 1 of 400' '^line 20 of 400'
  try 'a chunked upload' \
    "curl -sSi --http1.1 --cacert $ca -H 'Transfer-Encoding: chunked' -T $directory/upload.bin $acme/files/chunked.bin && curl -sS --cacert $ca $acme/files/chunked.bin | cmp - $directory/upload.bin && echo same" \
    '^HTTP/1\.1 201 ' '^same$'
  try 'a server that is down' "$get -H 'Accept: text/html' $(site down.demo.localhost)/" \
    '^HTTP/[12.]+ 502 ' '^Content-Type: text/html' '^X-Hybridge-Reason: upstream_connect_failed$'
  try 'the same for a program' "$get -H 'Accept: application/json' $(site down.demo.localhost)/api/method/ping" \
    '^HTTP/[12.]+ 502 ' '^Content-Type: application/problem\+json'
  try 'a server that hangs up' "$get $acme/hang-up" '^HTTP/[12.]+ 502 ' '^X-Hybridge-Reason: upstream_closed$'
  try 'a page in place of 429' "$get -H 'Accept: text/html' $acme/busy" \
    '^HTTP/[12.]+ 429 ' '^Content-Type: text/html' '!^too many$'
  try "an API client keeps the site's own words" "$get -H 'Accept: application/json' $acme/api/method/busy" \
    '^HTTP/[12.]+ 429 ' 'RateLimitExceededError'
}

try_what_is_refused() {
  local raw="exec 3<>/dev/tcp/127.0.0.1/$http_port; printf"
  try 'two lengths for one body' \
    "$raw 'POST / HTTP/1.1\r\nHost: acme.demo.localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' >&3; cat <&3" \
    '^HTTP/1\.1 400 ' '^X-Hybridge-Reason: bad_framing$' '^Connection: close$'
  try 'a request without Host' "$raw 'GET / HTTP/1.1\r\n\r\n' >&3; cat <&3" '^HTTP/1\.1 400 ' '^X-Hybridge-Reason: bad_host$'
  try 'a body beyond the limit' \
    "curl -sSi --http1.1 --cacert $ca -H 'Content-Length: 300000000' --data-binary x $(site acme.demo.localhost)/files/x" \
    '^HTTP/1\.1 413 ' 'body_bytes'
  try 'TLS 1.1' "openssl s_client -connect 127.0.0.1:$https_port -tls1_1 -cipher 'ALL:@SECLEVEL=0'" \
    'alert protocol version|no protocols available' '^New, \(NONE\)'
}

try_the_admin_side() {
  local bearer="-H 'Authorization: Bearer $token'"
  try 'without a token' "curl -sSi $admin_url/v1/snapshot" '^HTTP/1\.1 401 '
  try 'the routes as they are' "curl -sSi $bearer $admin_url/v1/snapshot" \
    '^HTTP/1\.1 200 ' '^ETag: "[0-9]+"$' 'erp\.acme\.localhost' '!PRIVATE KEY'
  try 'a certificate, without its key' "curl -sSi $bearer $admin_url/v1/certificates/erp.acme.localhost" \
    '^HTTP/1\.1 200 ' 'erp\.acme\.localhost' '!PRIVATE KEY'
  try 'a document that cannot be right is refused whole' \
    "curl -sSi $bearer -X PUT -d '{\"sites\":{\"A b\":{}}}' $admin_url/v1/snapshot" \
    '^HTTP/1\.1 4[0-9][0-9] ' '^Content-Type: application/problem\+json'
  try 'and nothing changed' "curl -sS --cacert $ca $(site erp.acme.localhost)/api/method/ping" '^\{"message":"pong"\}$'
  try 'the admin socket asks for no token' "curl -sSi --unix-socket $edge/admin.sock http://hybridge/v1/status" \
    '^HTTP/1\.1 200 ' '"version"'
  try 'metrics' "curl -sS $admin_url/metrics" '^hybridge_requests_total\{.*code="200"' '^hybridge_config_revision '
  try 'why a request goes where it goes' "$hybridge explain -c $config $(site erp.acme.localhost)/app" \
    'acme\.demo\.localhost' 'f1\.customer\.localhost'
  # The log is written by a thread of its own, soon after.
  try 'a line in the access log' \
    "for i in \$(seq 100); do grep -q '\"host\":\"late.demo.localhost\"' $edge/access.log && break; sleep 0.1; done; cat $edge/access.log" \
    '"host":"late\.demo\.localhost".*"status":402'
}

# Last: asked to end, it does so by itself and in order.
try_the_end() {
  local status=0 tries
  kill -TERM "$hybridge_pid" 2>/dev/null || true
  for ((tries = 0; tries < 150; tries++)); do
    is_running "$hybridge_pid" || break
    sleep 0.1
  done
  kill -KILL "$hybridge_pid" 2>/dev/null || true
  wait "$hybridge_pid" 2>/dev/null || status=$?
  hybridge_pid=
  try 'TERM ends it in order' "echo status $status" '^status 0$'
  [[ $failed == 0 ]] || printf 'The end of what Hybridge logged:\n%s\n' "$(tail -n 20 "$edge/hybridge.log")"
}

try_everything() {
  define_lines
  try_the_lines
  try_the_ways_of_a_host
  try_what_passes
  try_what_is_refused
  try_the_admin_side
  try_the_end
  printf '%s passed, %s failed\n' "$passed" "$failed"
  [[ $failed == 0 ]]
}
