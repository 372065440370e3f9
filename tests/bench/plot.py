"""Plots as SVG: lines on logarithmic axes, and bars against a goal. Colours are CSS variables of the page, one for each series."""

import html
import math


def text(value):
    return html.escape(str(value), quote=True)


def short(value):
    """A number as a label has it: 1.2M, 340k, 2.5, 0.06."""
    for limit, divisor, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e3, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / divisor:.3g}{unit}"
    return f"{value:.3g}"


def nanoseconds(value):
    for limit, divisor, unit in ((1e9, 1e9, "s"), (1e6, 1e6, "ms"), (1e3, 1e3, "µs")):
        if value >= limit:
            return f"{value / divisor:.3g} {unit}"
    return f"{value:.0f} ns"


class Log:
    """A logarithmic axis from @low to @high, onto @begin to @end."""

    def __init__(self, low, high, begin, end):
        self.low, self.high, self.begin, self.end = math.log10(low), math.log10(high), begin, end

    def at(self, value):
        share = (math.log10(value) - self.low) / ((self.high - self.low) or 1)
        return self.begin + share * (self.end - self.begin)

    def decades(self):
        first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


def spread(wanted, distance, low, high):
    """Moves positions apart so that labels do not cover each other; the order stays."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = []
    for i in order:
        placed.append(max(wanted[i], placed[-1] + distance if placed else low))
    excess = (placed[-1] - high) if placed else 0
    for at in range(len(placed) - 1, -1, -1):
        limit = high if at == len(placed) - 1 else placed[at + 1] - distance
        if excess > 0:
            placed[at] = min(placed[at], limit)
    result = [0.0] * len(wanted)
    for at, i in enumerate(order):
        result[i] = placed[at]
    return result


def lines(series, depths, title, label):
    """
    @series: [(key, name, flat, {depth: value})], in the order of the legend. What is flat has one value, and a dashed line
    across. @label makes the text of a value.
    """
    width, height, left, right, top, bottom = 620, 380, 56, 168, 34, 40
    values = [value for _, _, _, points in series for value in points.values() if value > 0]
    if not values:
        return ""
    low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values) * 1.05))
    x = Log(depths[0], depths[-1], left, width - right)
    y = Log(low, high, height - bottom, top)
    out = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text(title)}">',
           f'<text class="title" x="{left}" y="18">{text(title)}</text>']
    for tick in y.decades():
        out.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y.at(tick):.1f}" y2="{y.at(tick):.1f}"/>'
                   f'<text class="tick" text-anchor="end" x="{left - 8}" y="{y.at(tick) + 4:.1f}">{label(tick)}</text>')
    for depth in depths:
        out.append(f'<text class="tick" text-anchor="middle" x="{x.at(depth):.1f}" y="{height - bottom + 18}">{depth}</text>')
    out.append(f'<text class="tick" text-anchor="middle" x="{(left + width - right) / 2}" y="{height - 4}">'
               'operations in flight</text>')
    ends = []
    for key, name, flat, points in series:
        points = {depth: value for depth, value in points.items() if value > 0}
        if not points:
            continue
        if flat:
            at = y.at(next(iter(points.values())))
            out.append(f'<line class="flat s-{key}" x1="{left}" x2="{width - right}" y1="{at:.1f}" y2="{at:.1f}"/>')
            ends.append((at, key, name))
            continue
        path = " ".join(f"{x.at(depth):.1f},{y.at(value):.1f}" for depth, value in sorted(points.items()))
        out.append(f'<polyline class="line s-{key}" points="{path}"/>')
        for depth, value in sorted(points.items()):
            out.append(f'<circle class="dot s-{key}" cx="{x.at(depth):.1f}" cy="{y.at(value):.1f}" r="3.5">'
                       f'<title>{text(name)}, depth {depth}: {label(value)}</title></circle>')
        ends.append((y.at(points[max(points)]), key, name))
    for at, (wanted, key, name) in zip(spread([end[0] for end in ends], 15, top + 4, height - bottom), ends):
        out.append(f'<path class="lead s-{key}" d="M{width - right + 2},{wanted:.1f} L{width - right + 12},{at:.1f}"/>'
                   f'<text class="name s-{key}" x="{width - right + 16}" y="{at + 4:.1f}">{text(name)}</text>')
    return "".join(out) + "</svg>"


def goals(rows):
    """@rows: [(name, times of the goal, what was measured, the goal, reached)]: bars from the goal, to the right where it is reached."""
    step, left, right, top = 24, 250, 190, 30
    width, height = 940, top + step * len(rows) + 12
    x = Log(0.05, 20, left, width - right)
    out = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Figures against their goals">']
    for tick, name in ((0.1, "a tenth"), (0.5, "half"), (1, "the goal"), (2, "twice"), (10, "ten times")):
        kind = "goal" if tick == 1 else "grid"
        out.append(f'<line class="{kind}" x1="{x.at(tick):.1f}" x2="{x.at(tick):.1f}" y1="{top - 6}" y2="{height - 8}"/>'
                   f'<text class="tick" text-anchor="middle" x="{x.at(tick):.1f}" y="{top - 12}">{name}</text>')
    for i, (name, times, figure, goal, reached) in enumerate(rows):
        middle = top + step * i + step / 2
        begin, end = sorted((x.at(1), x.at(min(max(times, 0.05), 20))))
        out.append(f'<text class="row" text-anchor="end" x="{left - 12}" y="{middle + 4:.1f}">{text(name)}</text>'
                   f'<rect class="{"reached" if reached else "missed"}" x="{begin:.1f}" y="{middle - 6:.1f}" rx="2" '
                   f'width="{max(end - begin, 2):.1f}" height="12"><title>{text(name)}: {text(figure)}</title></rect>'
                   f'<text class="row" x="{width - right + 12}" y="{middle + 4:.1f}">{text(figure)} '
                   f'<tspan class="tick">{text(goal)}</tspan></text>')
    return "".join(out) + "</svg>"
