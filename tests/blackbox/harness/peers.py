"""nginx and HAProxy of Debian as the proxy under test: set up as close to Hybridge's corpus configuration as they go."""

import pathlib

from harness import addresses
from harness.nginx import Nginx
from harness.probing import accepts
from harness.process import Process
from harness.waiting import wait_until

_NGINX = """\
  access_log off;
  client_header_timeout 1s; client_body_timeout 1s; send_timeout 5s; keepalive_timeout 20;
  client_max_body_size 64k; large_client_header_buffers 4 32k;
  upstream origin {{ server {origin}; keepalive 100; }}
  server {{ listen {listen} default_server; return 307 https://edge.test/dashboard/; }}
  server {{
    listen {listen}; server_name case.test;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_buffering off; proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;
      proxy_set_header Host $host; proxy_set_header Connection "";
      proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Client-Port $remote_port;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Request-ID $request_id;
    }}
  }}
"""

_HAPROXY = """\
global
  nbthread 1
  tune.bufsize 65536
  tune.maxrewrite 8192
  tune.http.maxhdr 101
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  timeout http-request 1s
  timeout http-keep-alive 20s
  http-reuse safe
frontend edge
  bind {listen}
  http-request deny deny_status 413 if {{ req.body_size gt 65536 }}
  http-request redirect location https://edge.test/dashboard/ code 307 unless {{ req.hdr(host),host_only -i case.test }}
  http-request del-header Forwarded
  http-request del-header CF-Connecting-IP
  http-request del-header X-Frappe-Site-Name
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Client-Port %[src_port]
  http-request set-header X-Request-ID %[uuid]
  default_backend origin
backend origin
  server origin {origin}
"""


class NginxProxy:
    name = "nginx"

    def __init__(self, directory: pathlib.Path, origin: tuple[str, int]):
        self.endpoint = addresses.free_endpoint()
        text = _NGINX.format(origin=addresses.text(origin), listen=addresses.text(self.endpoint))
        self._nginx = Nginx(directory, text, "nginx-proxy")
        self._nginx.wait_until_listening(self.endpoint)

    def close(self) -> None:
        self._nginx.close()


class HaproxyProxy:
    name = "HAProxy"

    def __init__(self, directory: pathlib.Path, origin: tuple[str, int]):
        directory.mkdir(parents=True, exist_ok=True)
        self.endpoint = addresses.free_endpoint()
        path = directory / "haproxy.cfg"
        path.write_text(_HAPROXY.format(origin=addresses.text(origin), listen=addresses.text(self.endpoint)))
        self._process = Process("haproxy", ["/usr/sbin/haproxy", "-db", "-q", "-f", path], directory)
        wait_until(lambda: accepts(self.endpoint), f"haproxy; it says {self._process.stderr()}")

    def close(self) -> None:
        self._process.kill()
