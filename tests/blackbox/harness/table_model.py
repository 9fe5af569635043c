"""What should be served where, as simply as it can be said: dictionaries, and the rule by which a host is looked up."""

import copy

STATUSES = {"active": 200, "suspended": 402, "suspended_saas": 402, "deactivated": 503}


class TableModel:
    def __init__(self):
        self.servers: dict[str, str] = {}  # name → the origin that it is
        self.sites: dict[str, dict] = {}
        self.hosts: dict[str, dict] = {}

    def copy(self) -> "TableModel":
        return copy.deepcopy(self)

    def document(self, value_of_server) -> dict:
        servers = {name: value_of_server(origin) for name, origin in self.servers.items()}
        return {"servers": servers, "sites": self.sites, "hosts": self.hosts, "rules": []}

    def take_redirect_away(self, host: str) -> None:
        """A host that only had its redirect goes with it; one with a site serves that again."""
        if "redirect" in self.hosts.get(host, {}):
            del self.hosts[host]["redirect"]
            if not self.hosts[host]:
                del self.hosts[host]

    def has_ring(self) -> bool:
        for host in self.hosts:
            seen = set()
            while host not in seen and "redirect" in self.hosts.get(host, {}):
                seen.add(host)
                host = self.hosts[host]["redirect"]
            if host in seen:
                return True
        return False

    def served(self, host: str) -> tuple:
        """(status, what else must be so): of a site its server's origin, of a redirect its target."""
        entry = self.hosts.get(host)
        if entry and "redirect" in entry:
            return 308, entry["redirect"]
        site = entry["site"] if entry else host
        found = self.sites.get(site)
        if found is None or found["server"] not in self.servers:
            return 307, None
        status = STATUSES[found.get("status", "active")]
        return status, self.servers[found["server"]] if status == 200 else None
