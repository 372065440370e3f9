#!/usr/bin/env python3
"""Shows results.json: a page with plots, and the tables of docs/PERFORMANCE.md.

    report.py --html FILE results.json      the page; it needs nothing but itself
    report.py --fill FILE results.json      puts the tables between the marks in FILE, a Markdown document

Both say what was measured and nothing else: what is absent is told with its reason.
"""

import argparse
import datetime
import json
import os
import platform
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plot  # noqa: E402

# what the matrix knows, in the order in which it is shown: key, name, short name, without depth
WAYS = [("pread", "pread(2), one thread", "pread", True), ("liburing", "in-process ring, liburing by hand", "liburing", False),
        ("libproactor", "in-process ring, libproactor", "libproactor", False), ("ring", "daemon by ring", "daemon: ring", False),
        ("memory", "daemon by socket and memory", "daemon: memory", False),
        ("socket", "daemon by socket, data inline", "daemon: socket", False),
        ("nbdkit", "nbdkit + libnbd", "nbdkit", False), ("qemu", "qemu-storage-daemon + libnbd", "qemu-storage-daemon", False),
        ("pingpong", "bare socket ping-pong", "bare ping-pong", True), ("memcpy", "memcpy(3)", "memcpy", True)]
OPERATIONS = {"read4k": "4 KiB cached read, at random", "nop": "operation that does nothing",
              "read256k": "256 KiB cached read, at random"}
TAX_WAYS = ["pread", "liburing", "libproactor", "ring", "memory", "socket", "nbdkit", "qemu"]
CELL = re.compile(r"matrix\.(\w+)\.qd(\d+)\.(\w+?)(\.unpinned)?$")


class Results:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.rows = json.load(file)
        self.cells = {}
        for row in self.rows:
            match = CELL.match(row["name"])
            if match:
                operation, depth, way, unpinned = match.groups()
                self.cells[operation, int(depth), way, not unpinned] = row
        self.cases = [row for row in self.rows if not row["name"].startswith(("matrix.", "machine."))]

    def others(self):
        """How much of the machine was not ours, as a sentence."""
        share = next((row["ours"] for row in self.rows if row["name"] == "machine.others"), None)
        if share is None:
            return ""
        warning = "; figures that are to count want a machine of their own" if share > 0.05 else ""
        return f" While this was measured others had {share * 100:.0f} % of the processors' time{warning}."

    def operations(self):
        return [name for name in OPERATIONS if any(key[0] == name for key in self.cells)]

    def depths(self, operation):
        return sorted({key[1] for key in self.cells if key[0] == operation})

    def cell(self, operation, depth, way, pinned=True):
        return self.cells.get((operation, depth, way, pinned))

    def depth_near(self, operation, wanted):
        """The deepest that was measured up to @wanted."""
        return max([depth for depth in self.depths(operation) if depth <= wanted], default=None)


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{len(os.sched_getaffinity(0))} × {model}, Linux {platform.release()}, {datetime.date.today().isoformat()}"


def note_of(row):
    """What is to be known about a case."""
    if "absent" in row:
        return "absent: " + row["absent"]
    note = row.get("note", "")
    # what is told through shared memory depends on how far the processors were from each other
    return f"{note}; line {row['line_ns']:.0f} ns" if "ring" in note and row.get("line_ns") else note


def figure_of(row):
    """What is held against the goal, or the ratio, as text."""
    goal = row.get("goal")
    value = row.get("value") if goal else row["ratio"]
    if value is None:
        value, goal = row["ours"], {"of": "ours"}
    if value is None:
        return "–"
    unit = f" {row['unit']}" if goal and goal["of"] == "ours" else ""
    return plot.short(value) + unit


def goal_text(goal):
    sign, value = ("≤", goal["at_most"]) if "at_most" in goal else ("≥", goal["at_least"])
    return f"{sign} {plot.short(value)}"


def times_of_goal(row):
    """Above 1: better than the goal."""
    goal, value = row["goal"], row["value"]
    if "at_most" in goal:
        limit = goal["at_most"]
        return 20 if value <= 0 else (limit / value if limit > 0 else 0.05)
    return value / goal["at_least"]


# ---- tables ----


def tax_rows(results, operation):
    """[(name, [(rate, against liburing, p50, p99) or None, or a reason])] at depth 1 and 32."""
    depths = [1, results.depth_near(operation, 32)]
    rows = []
    for key, name, _, flat in WAYS:
        if key not in TAX_WAYS:
            continue
        cells = [results.cell(operation, depth, key) for depth in depths]
        if not cells[0] or (operation == "nop" and key in ("pread", "memory")):
            continue
        if cells[0].get("absent"):
            rows.append((name, cells[0]["absent"]))
            continue
        rows.append((name, [None if not cell or (flat and depth > 1) else (cell["ours"], cell["ratio"], cell["p50_ns"], cell["p99_ns"])
                            for depth, cell in zip(depths, cells)]))
    return depths, rows


def cell_texts(cell):
    if cell is None:
        return ["", "", ""]
    rate, ratio, p50, p99 = cell
    latency = f"{plot.nanoseconds(p50)}, {plot.nanoseconds(p99)}" if p50 and p99 else ""
    return [f"{plot.short(rate)}/s", f"{ratio:.2f}" if ratio else "", latency]


def markdown_tax(results):
    out = []
    for operation in results.operations():
        depths, rows = tax_rows(results, operation)
        heads = [f"{what}, depth {depth}" for depth in depths for what in ("rate", "times liburing", "p50, p99")]
        out += [f"**{OPERATIONS[operation]}**", "", "| way | " + " | ".join(heads) + " |",
                "|---|" + "---:|" * len(heads)]
        for name, cells in rows:
            texts = [cells] + [""] * 5 if isinstance(cells, str) else [text for cell in cells for text in cell_texts(cell)]
            out.append(f"| {name} | " + " | ".join(texts) + " |")
        out.append("")
    return "\n".join(out)


def markdown_cases(results):
    out = ["| case | ours | yardstick | ratio [quartiles] | goal | |", "|---|---:|---:|---:|---:|---|"]
    for row in results.cases:
        quartiles = f"{row['ratio']:.3f} [{row['ratio_low']:.3f} {row['ratio_high']:.3f}]" if row["ratio"] else ""
        ours = "" if row["ours"] is None else f"{plot.short(row['ours'])} {row['unit']}"
        yardstick = "" if row["yardstick"] is None else f"{plot.short(row['yardstick'])} ({row['yardstick_name']})"
        goal = goal_text(row["goal"]) if "goal" in row else ""
        says = note_of(row)
        if row.get("reached") is False:
            says = "**missed**" + (f"; {says}" if says else "")
        out.append(f"| `{row['name']}` | {ours} | {yardstick} | {quartiles} | {goal} | {says} |")
    return "\n".join(out) + "\n"


def fill(path, results):
    tables = {"machine": machine() + "." + results.others() + "\n", "tax": markdown_tax(results), "cases": markdown_cases(results)}
    with open(path, encoding="utf-8") as file:
        document = file.read()
    for name, table in tables.items():
        begin, end = f"<!-- bench: {name} -->", "<!-- end -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
        document = pattern.sub(lambda _: f"{begin}\n{table}{end}", document)
    with open(path, "w", encoding="utf-8") as file:
        file.write(document)


# ---- the page ----

STYLE = """
:root { color-scheme: light dark; --page: #fbfbfa; --card: #ffffff; --ink: #1c1d1f; --soft: #63666b; --rule: #e3e3df; --grid: #e9e9e5;
  --good: #1f8a5b; --bad: #c8453b; --pread: #3f4246; --liburing: #2a6fc9; --libproactor: #1a9aa0; --ring: #b5317f; --memory: #8250c4;
  --socket: #d9480f; --nbdkit: #8a6d00; --qemu: #4d7c2a; --pingpong: #6f7276; --memcpy: #8b8d91; }
@media (prefers-color-scheme: dark) { :root { --page: #17181a; --card: #1f2123; --ink: #ececea; --soft: #a2a5aa; --rule: #34363a;
  --grid: #2e3033; --good: #4cc38a; --bad: #f0776c; --pread: #d3d5d8; --liburing: #6ea8f0; --libproactor: #4ccbd0; --ring: #f07cc0;
  --memory: #b794f0; --socket: #ff8f5a; --nbdkit: #d9b93b; --qemu: #8fc765; --pingpong: #a2a5aa; --memcpy: #8b8e93; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1320px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; letter-spacing: -0.01em; } h2 { font-size: 19px; margin: 40px 0 10px; }
p { margin: 4px 0 10px; color: var(--soft); max-width: 84ch; }
.cards { display: flex; gap: 12px; flex-wrap: wrap; margin: 20px 0 0; }
.cards div { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 18px; min-width: 130px; }
.cards b { display: block; font-size: 24px; font-variant-numeric: tabular-nums; } .cards span { color: var(--soft); }
.cards .good b { color: var(--good); } .cards .bad b { color: var(--bad); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px; overflow-x: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr)); gap: 14px; }
svg { width: 100%; min-width: 500px; height: auto; display: block; font: 12.5px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }
svg .title { font-size: 14px; font-weight: 600; } svg .tick { fill: var(--soft); } svg .grid { stroke: var(--grid); }
svg .goal { stroke: var(--ink); stroke-width: 1.5; } svg .reached { fill: var(--good); } svg .missed { fill: var(--bad); }
svg .line { fill: none; stroke: var(--c); stroke-width: 2.2; stroke-linejoin: round; } svg .dot { fill: var(--c); stroke: var(--card); }
svg .flat { stroke: var(--c); stroke-width: 1.6; stroke-dasharray: 5 4; } svg .lead { stroke: var(--c); fill: none; opacity: .6; }
svg .name { fill: var(--c); font-weight: 500; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } th:first-child, td:first-child, td.text { text-align: left; }
td.text { white-space: normal; color: var(--soft); } td.absent { text-align: left; color: var(--soft); font-style: italic; }
tr.ours td:first-child { font-weight: 600; } td.good { color: var(--good); } td.bad { color: var(--bad); }
.choice { display: inline-flex; border: 1px solid var(--rule); border-radius: 8px; overflow: hidden; margin: 6px 0 12px; }
.choice button { font: inherit; color: var(--soft); background: var(--card); border: 0; padding: 5px 16px; cursor: pointer; }
.choice button[aria-pressed=true] { background: var(--ink); color: var(--page); }
body:not(.unpinned) .when-unpinned, body.unpinned .when-pinned { display: none; }
"""

SCRIPT = """
for (const button of document.querySelectorAll('.choice button'))
  button.onclick = () => {
    document.body.classList.toggle('unpinned', button.dataset.unpinned === '1');
    for (const other of document.querySelectorAll('.choice button'))
      other.setAttribute('aria-pressed', other.dataset.unpinned === button.dataset.unpinned);
  };
"""


def series_of(results, operation, pinned, field):
    series = []
    for key, _, name, flat in WAYS:
        points = {}
        for depth in results.depths(operation):
            cell = results.cell(operation, depth, key, pinned)
            if cell and not cell.get("absent") and cell.get(field):
                points[depth] = cell[field]
        if points:
            series.append((key, name, flat, points))
    return series


def html_plots(results):
    out = []
    for operation in results.operations():
        out.append(f"<h2>{plot.text(OPERATIONS[operation][:1].upper() + OPERATIONS[operation][1:])}</h2>")
        for pinned in (True, False):
            depths = results.depths(operation)
            plots = [plot.lines(series_of(results, operation, pinned, field), depths, title, label)
                     for field, title, label in (("ours", "Operations a second", plot.short),
                                                 ("p99_ns", "Time of an operation that 99 in 100 stay below", plot.nanoseconds))]
            cards = "".join(f'<div class="card">{svg}</div>' for svg in plots if svg)
            out.append(f'<div class="pair when-{"pinned" if pinned else "unpinned"}">{cards}</div>')
    absent = sorted({(key[2], row["absent"]) for key, row in results.cells.items() if row.get("absent")})
    names = {key: name for key, name, _, _ in WAYS}
    out += [f"<p>Not there: {plot.text(names[way])}. {plot.text(reason)}.</p>" for way, reason in absent]
    return "".join(out)


def html_goals(results):
    rows = [(row["name"], times_of_goal(row), figure_of(row), goal_text(row["goal"]), row["reached"])
            for row in results.cases if row.get("reached") is not None]
    return f'<div class="card">{plot.goals(rows)}</div>' if rows else "<p>No case with a goal was measured.</p>"


def html_tax(results):
    out = []
    for operation in results.operations():
        depths, rows = tax_rows(results, operation)
        heads = "".join(f"<th>depth {depth}</th><th>× liburing</th><th>p50, p99</th>" for depth in depths)
        body = []
        for name, cells in rows:
            kind = ' class="ours"' if name.startswith("daemon") else ""
            if isinstance(cells, str):
                body.append(f'<tr{kind}><td>{plot.text(name)}</td><td class="absent" colspan="6">{plot.text(cells)}</td></tr>')
                continue
            texts = "".join(f"<td>{plot.text(text)}</td>" for cell in cells for text in cell_texts(cell))
            body.append(f"<tr{kind}><td>{plot.text(name)}</td>{texts}</tr>")
        out.append(f'<div class="card" style="margin-bottom:14px"><table><tr><th>{plot.text(OPERATIONS[operation])}</th>{heads}</tr>'
                   f'{"".join(body)}</table></div>')
    return "".join(out)


def html_cases(results):
    body = []
    for row in results.cases:
        says = note_of(row)
        verdict = {True: ("good", "reached"), False: ("bad", "missed")}.get(row.get("reached"), ("", ""))
        quartiles = f"{row['ratio']:.3f} <small>[{row['ratio_low']:.2f} {row['ratio_high']:.2f}]</small>" if row["ratio"] else ""
        ours = "" if row["ours"] is None else f"{plot.short(row['ours'])} {row['unit']}"
        yardstick = "" if row["yardstick"] is None else f"{plot.short(row['yardstick'])} {row['yardstick_name']}"
        body.append(f"<tr><td>{plot.text(row['name'])}</td><td>{plot.text(ours)}</td><td>{plot.text(yardstick)}</td><td>{quartiles}</td>"
                    f"<td>{plot.text(goal_text(row['goal'])) if 'goal' in row else ''}</td><td class=\"{verdict[0]}\">{verdict[1]}</td>"
                    f'<td class="text">{plot.text(says)}</td></tr>')
    return ('<div class="card"><table><tr><th>case</th><th>ours</th><th>yardstick</th><th>ratio [quartiles]</th><th>goal</th><th></th>'
            f'<th style="text-align:left">note</th></tr>{"".join(body)}</table></div>')


def html_page(results):
    reached = [row.get("reached") for row in results.cases if "goal" in row]
    cards = "".join(f'<div class="{kind}"><b>{count}</b><span>{name}</span></div>' for kind, count, name in (
        ("good", reached.count(True), "goals reached"), ("bad", reached.count(False), "goals missed"),
        ("", reached.count(None), "not measured"), ("", len(results.rows), "cases")))
    colours = "".join(f".s-{key}{{--c:var(--{key})}}" for key, _, _, _ in WAYS)
    choice = ('<div class="choice" role="group" aria-label="processors"><button data-unpinned="0" aria-pressed="true">pinned</button>'
              '<button data-unpinned="1" aria-pressed="false">unpinned</button></div>')
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>proactord: what it costs</title><style>{STYLE}{colours}</style></head><body><main>
<h1>proactord: what it costs, and what it spares</h1>
<p>{plot.text(machine())}.{plot.text(results.others())} Ratios are medians of pairs of runs that alternate; only they hold on other machines.</p>
<div class="cards">{cards}</div>
<h2>Against the goals</h2>{html_goals(results)}
<h2>The tax</h2><p>The same operation by direct call, by a ring in the process, and by the daemon; on one client thread, pinned.</p>
{html_tax(results)}
<h2>Against depth</h2><p>Dashed lines have no depth: one call at a time.</p>{choice}
{html_plots(results)}
<h2>All cases</h2>{html_cases(results)}
</main><script>{SCRIPT}</script></body></html>
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--html", metavar="FILE")
    parser.add_argument("--fill", metavar="FILE")
    parser.add_argument("results")
    options = parser.parse_args()
    results = Results(options.results)
    if options.html:
        with open(options.html, "w", encoding="utf-8") as file:
            file.write(html_page(results))
        print(f"a page with plots: {options.html}")
    if options.fill:
        fill(options.fill, results)
    return 0


sys.exit(main())
