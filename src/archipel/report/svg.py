"""Drawing SVG by hand: elements, axes, lines, areas. Colours are names of CSS variables, so dark mode works."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from typing import Any, final

import numpy as np
from numpy.typing import NDArray


def tag(name: str, *children: str, **attributes: object) -> str:
    """An element. Attribute values are escaped; `_` in names becomes `-`, a trailing `_` is dropped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(children)}</{name}>"


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """A text element; the words are escaped."""
    return tag("text", escape(words), x=x, y=y, **attributes)


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers between `low` and `high`, about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


@final
class Plot:
    """A small plot over time with a value axis. Draw from back to front, then take `svg`.

    Args:
        time: Start of every step, UTC.
        dt_h: Length of a step [h].
        low, high: Range of the value axis; the same twice for a plot of rows that has none.
        unit: Unit of the values, written above the axis.
        label: What the picture shows, for people who cannot see it.
        width, height: Size in units of the viewBox; text is 10 units high.
    """

    def __init__(
        self,
        time: NDArray[np.datetime64],
        dt_h: float,
        low: float,
        high: float,
        unit: str,
        label: str,
        *,
        width: int = 300,
        height: int = 190,
    ) -> None:
        self.time, self.dt_h, self.low, self.high, self.unit, self.label = time, dt_h, low, high, unit, label
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = 36, 6, 16, 18
        self._drawn: list[str] = []
        self._told: list[dict[str, Any]] = []

    @property
    def x(self) -> NDArray[np.float64]:
        """Horizontal position of the middle of every step."""
        span = self.width - self.left - self.right
        return np.asarray(self.left + span * (np.arange(len(self.time)) + 0.5) / max(len(self.time), 1))

    def y(self, values: Any) -> Any:
        """Vertical position of values."""
        span = self.height - self.top - self.bottom
        room = self.high - self.low or 1.0
        inside = np.clip(values, self.low - 0.02 * room, self.high + 0.02 * room)
        return self.top + span * (self.high - inside) / room

    def area(self, low: Any, high: Any, colour: str, *, opacity: float = 1.0, edge: str = "") -> None:
        """Fill between two series."""
        if not len(self.time):
            return
        upper = _points(self.x, self.y(np.nan_to_num(high)))
        lower = _points(self.x[::-1], self.y(np.nan_to_num(low))[::-1])
        self._drawn.append(tag("path", d=f"M{upper}L{lower}Z", fill=f"var(--{colour})", fill_opacity=opacity))
        if edge:
            self.line(high, edge, width=0.7)

    def line(self, values: NDArray[Any], colour: str, *, width: float = 1.4, dash: str | None = None) -> None:
        """Draw a series; steps without a value leave a gap."""
        known = np.isfinite(values)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
        path = "".join(
            "M" + _points(self.x[a:b], self.y(values[a:b])) for a, b in zip(edges[::2], edges[1::2], strict=True)
        )
        if path:
            self._drawn.append(
                tag("path", d=path, fill="none", stroke=f"var(--{colour})", stroke_width=width, stroke_dasharray=dash)
            )

    def level(self, value: float, words: str, colour: str = "limit") -> None:
        """A limit across the whole plot, with its name at the right end."""
        if not self.low <= value <= self.high:
            return
        at = float(self.y(value))
        ends = {"x1": self.left, "x2": self.width - self.right, "y1": at, "y2": at}
        self._drawn.append(tag("line", stroke=f"var(--{colour})", stroke_width=1, stroke_dasharray="4 2", **ends))
        if words:
            self._drawn.append(text(self.width - self.right - 2, at - 3, words, class_="halo", text_anchor="end"))

    def draw(self, element: str) -> None:
        """Add an element in viewBox coordinates."""
        self._drawn.append(element)

    def tell(self, name: str, colour: str, values: NDArray[Any], digits: int = 2) -> None:
        """Values that are shown beside the pointer; they are not drawn."""
        told = [None if not math.isfinite(v) else round(float(v), digits) for v in values]
        self._told.append({"n": name, "c": colour, "v": told})

    @property
    def svg(self) -> str:
        """The finished picture."""
        told = json.dumps(self._told, separators=(",", ":")) if self._told else None
        start = f"{self.time[0].astype('datetime64[m]')}Z" if len(self.time) else None
        return tag(
            "svg",
            tag("title", escape(self.label)),
            self._value_axis(),
            *self._drawn,
            self._time_axis(),
            viewBox=f"0 0 {self.width} {self.height}",
            class_="plot",
            role="img",
            data_told=told,
            data_start=start if told else None,
            data_minutes=round(self.dt_h * 60) if told else None,
            data_frame=f"{self.left} {self.width - self.right} {self.top} {self.height - self.bottom}",
            data_unit=self.unit,
        )

    def _value_axis(self) -> str:
        if self.low == self.high:  # rows, not values
            return ""
        drawn = [text(self.left - 4, 9, self.unit, text_anchor="end", class_="unit")]
        marks = ticks(self.low, self.high)
        digits = max((len(f"{mark:g}".partition(".")[2]) for mark in marks), default=0)
        for mark in marks:
            at = float(self.y(mark))
            kind = "zero" if mark == 0 else "grid"
            drawn.append(tag("line", class_=kind, x1=self.left, x2=self.width - self.right, y1=at, y2=at))
            words = f"{mark:,.{digits}f}".replace(",", " ").replace("-", "−")
            drawn.append(text(self.left - 4, at + 3, words, text_anchor="end"))
        return "".join(drawn)

    def _time_axis(self) -> str:
        if not len(self.time):
            return text(self.width / 2, self.height / 2, "no steps", text_anchor="middle")
        hours = len(self.time) * self.dt_h
        every = next((h for h in (1, 2, 6, 24, 48, 96, 168, 336, 720) if hours / h <= 5), 1440)
        start = self.time[0].astype("datetime64[m]")
        midnight = (start - start.astype("datetime64[D]")).astype(np.int64) / 60.0
        first = math.ceil(midnight / every) * every - midnight
        drawn = [tag("line", class_="axis", x1=self.left, x2=self.width - self.right, y1=self._floor, y2=self._floor)]
        span = self.width - self.left - self.right
        for k in range(int((hours - first) / every + 1e-9) + 1):
            hour = first + k * every
            at = self.left + span * hour / hours
            stamp = start + np.timedelta64(round(hour * 60), "m")
            words = str(stamp)[5:10] if every >= 24 else f"{(midnight + hour) % 24:02.0f}:00"
            if every < 24 and hour > 0 and (midnight + hour) % 24 == 0 and at > self.width - self.right - 2:
                words = "24:00"
            anchor = "start" if at < self.left + 8 else "end" if at > self.width - self.right - 8 else "middle"
            drawn.append(tag("line", class_="axis", x1=at, x2=at, y1=self._floor, y2=self._floor + 3))
            drawn.append(text(at, self._floor + 13, words, text_anchor=anchor))
        return "".join(drawn)

    @property
    def _floor(self) -> float:
        return self.height - self.bottom


def _points(x: NDArray[Any], y: NDArray[Any]) -> str:
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def legend(entries: Sequence[tuple[str, str, str]]) -> str:
    """A line of keys in HTML: (colour, words, kind), kind one of `box`, `line`, `dash`, `dot`."""
    keys = (
        f'<span class="key"><i class="{kind}" style="--c:var(--{colour})"></i>{escape(words)}</span>'
        for colour, words, kind in entries
    )
    return f'<p class="legend">{"".join(keys)}</p>'
