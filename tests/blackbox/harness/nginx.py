"""Debian's nginx: as the customer's server behind the proxy, and as a proxy to compare with."""

import pathlib
import shutil

from harness import addresses
from harness.process import Process
from harness.waiting import wait_until

MEBIBYTE = 1024 * 1024
BIG_BYTES = 250 * MEBIBYTE

_FRAME = """\
daemon off;
master_process {master};
pid {directory}/nginx.pid;
error_log {directory}/nginx.error.log info;
events {{ worker_connections 4096; }}
http {{
  types {{ text/html html; text/css css; application/javascript js; text/plain txt; }}
  default_type application/octet-stream;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
{http}
}}
"""

# What a customer's nginx does, and pages that show what it saw.
_ORIGIN = """\
  log_format seen '$request_method $request_uri $status $connection $connection_requests';
  access_log {directory}/access.log seen;
  client_max_body_size 0;
  keepalive_timeout 10;
  gzip on; gzip_types text/css application/javascript; gzip_min_length 256; gzip_proxied any;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen {listen} backlog=1024;
    server_name _;
    root {directory}/site;
    location = / {{ default_type text/plain; return 200 "front page of $host\\n"; }}
    location = /seen {{
      default_type text/plain;
      return 200 "host=$http_host\\nreal_ip=$http_x_real_ip\\nforwarded_for=$http_x_forwarded_for\\nproto=$http_x_forwarded_proto\\nforwarded_host=$http_x_forwarded_host\\nclient_port=$http_x_client_port\\nrequest=$request\\nrequest_id=$http_x_request_id\\ntraceparent=$http_traceparent\\n";
    }}
    location = /status/204 {{ return 204; }}
    location ~ ^/status/(?<code>404|403|500|503)$ {{ default_type application/json; return 503 '{{"status":$code}}'; }}
    location = /api/429 {{ default_type application/json; return 429 '{{"exc":"RateLimit"}}'; }}
    location = /api/502 {{ default_type application/json; return 502 '{{"exc":"Bad"}}'; }}
    location = /api/504 {{ default_type application/json; return 504 '{{"exc":"Late"}}'; }}
    location = /moved {{ return 301 https://elsewhere.test/; }}
    location /upload/ {{ dav_methods PUT DELETE; create_full_put_path on; alias {directory}/uploads/; }}
    location /limited/ {{ alias {directory}/site/; limit_rate 200k; }}
    location = /login {{
      default_type text/plain;
      add_header Set-Cookie "sid=1; Path=/; HttpOnly"; add_header Set-Cookie "user=a@b; Path=/";
      add_header X-Frame-Options ALLOWALL always; add_header Strict-Transport-Security "max-age=1";
      add_header X-Powered-By customer;
      return 200 "in\\n";
    }}
  }}
"""


class Nginx:
    """Runs a configuration; `{directory}` in it is this instance's own. With a master it can be reloaded (HUP)."""

    def __init__(self, directory: pathlib.Path, http: str, name: str = "nginx", has_master: bool = False):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._has_master = has_master
        path = self.write(http)
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = Process(
            name, [program, "-p", directory, "-c", path, "-e", directory / "nginx.error.log"], directory
        )

    def write(self, http: str) -> pathlib.Path:
        path = self.directory / "nginx.conf"
        master = "on" if self._has_master else "off"
        # Started by root, nginx takes nobody's rights for its temporary files in a directory only root may enter.
        path.write_text("user root;\n" + _FRAME.format(directory=self.directory, http=http, master=master))
        return path

    def wait_until_listening(self, endpoint: tuple[str, int]) -> None:
        from harness.probing import accepts

        def ready() -> bool:
            assert self.process.is_alive(), self.process.stderr()
            return accepts(endpoint)

        wait_until(ready, f"nginx at {addresses.text(endpoint)}")

    def workers(self) -> set[int]:
        """Of one with a master: those that accept connections."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(child) for child in children if self._accepts(child)}

    @staticmethod
    def _accepts(child: str) -> bool:
        try:
            title = pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            return False  # it has ended
        return title.startswith(b"nginx: worker process") and b"shutting down" not in title

    def close(self) -> None:
        self.process.stop()


class NginxOrigin(Nginx):
    def __init__(self, directory: pathlib.Path):
        self.endpoint = addresses.free_endpoint()
        site = directory / "site"
        site.mkdir(parents=True)
        (directory / "uploads").mkdir()
        (site / "small.txt").write_text("small\n")
        (site / "style.css").write_text("body { color: black }\n" * 200)
        (site / "medium.bin").write_bytes(bytes(range(256)) * 4 * 1024)  # 1 MiB with a pattern
        with open(site / "big.bin", "wb") as big:  # sparse: costs no disk
            big.truncate(BIG_BYTES)
        super().__init__(
            directory, _ORIGIN.format(directory=directory, listen=addresses.text(self.endpoint)), "nginx-origin"
        )
        self.wait_until_listening(self.endpoint)

    def uploaded(self, name: str) -> pathlib.Path:
        return self.directory / "uploads" / name

    def access_lines(self) -> list[str]:
        return (self.directory / "access.log").read_text().splitlines()
