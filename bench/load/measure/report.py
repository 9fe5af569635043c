"""Figures as text, for people."""

from measure import network


def heading(facts: dict) -> str:
    machine, versions = facts["machine"], facts["versions"]
    return "\n".join(
        [
            f"{facts['date']}, {machine['system']}, kernel {machine['kernel']}",
            f"{machine['processors']} x {machine['cpu']}, {machine['memory_gib']} GiB",
            ", ".join(f"{name} {version}" for name, version in versions.items()),
            network.describe(facts["network"]),
        ]
    )


def ratio_text(ratio: dict | None) -> str:
    if not ratio:
        return "-"
    return f"{ratio['median']:.2f} ({ratio['min']:.2f}..{ratio['max']:.2f})"


def target_text(peer: dict) -> str:
    return " / ".join(f"{target:.2f}" for target in peer["target"]) if "target" in peer else ""


def number(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def table(columns: list[str], rows: list[list[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    lines = []
    for row in [columns, *rows]:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def load_table(result: dict) -> str:
    rows = []
    for name, peer in result["peers"].items():
        middle = peer["median"]
        rows.append(
            [
                name,
                number(middle["cpu_us"]),
                number(middle["rate"]),
                f"{middle['busy']:.0%}",
                number(middle["p50_us"]),
                number(middle["p99_us"]),
                ratio_text(peer.get("cpu vs nginx")),
                ratio_text(peer.get("cpu vs haproxy")),
                target_text(peer),
            ]
        )
    columns = ["", "CPU us", "a second", "busy", "p50 us", "p99 us", "CPU to nginx", "CPU to HAProxy", "targets"]
    text = table(columns, rows)
    costs = [
        f"{name.removesuffix(', no log')} {peer['log_cost_us']:.1f}"
        for name, peer in result["peers"].items()
        if "log_cost_us" in peer
    ]
    if costs:
        text += "\n  the log's cost, CPU us per request: " + ", ".join(costs)
    if result["tls"]:
        text += f"\n  {result['tls']}"
    return text


def rows_table(result: dict) -> str:
    """Results that bring their own columns."""
    return table(result["columns"], [[str(cell) for cell in row] for row in result["rows"]])


def text_of(result: dict) -> str:
    text = load_table(result) if result["kind"] == "load" else rows_table(result)
    return "\n".join([text, *(f"  {note}" for note in result.get("notes", []))])


def markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def markdown_loads(results: dict) -> list[str]:
    """One row for each scenario of load, for bench/README.md."""
    proxies = ("hybridge ring", "hybridge epoll", "nginx", "haproxy")
    columns = ["scenario", "ring", "epoll", "nginx", "HAProxy"]
    columns += ["ring to nginx / HAProxy", "target", "epoll to nginx / HAProxy", "target"]
    lines = [markdown_row(columns), "|---" * len(columns) + "|"]
    for name, result in results.items():
        if result.get("kind") != "load":
            continue
        cells = [name] + [number(result["peers"][proxy]["median"]["cpu_us"]) for proxy in proxies]
        for proxy in proxies[:2]:
            peer = result["peers"][proxy]
            ratios = [ratio_text(peer[f"cpu vs {other}"]) for other in ("nginx", "haproxy")]
            cells += [" / ".join(ratios), target_text(peer)]
        lines.append(markdown_row(cells))
    return lines


def markdown(everything: dict) -> str:
    results = everything["scenarios"]
    parts = [heading(everything), "\n".join(markdown_loads(results))]
    for name, result in results.items():
        if result["kind"] == "rows":
            rows = [[str(cell) for cell in row] for row in result["rows"]]
            lines = [markdown_row([name, *result["columns"][1:]]), "|---" * len(result["columns"]) + "|"]
            lines += [markdown_row(row) for row in rows]
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
