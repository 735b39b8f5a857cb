// uPlot in our theme: curves over grid time in UTC, unknown values as gaps.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface PlotSeries {
  label: string;
  values: (number | null)[];
  /** `solid` by default; `dashed` for what was believed or planned; `faint` for what is beside. */
  look?: "solid" | "dashed" | "faint";
  /** Name of a theme variable, `--draw-1` by default. */
  color?: string;
  step?: boolean;
}

interface Props {
  /** Milliseconds since 1970, one per value. */
  times: number[];
  series: PlotSeries[];
  unit: string;
  height?: number;
  /** A moment to mark [ms]. */
  mark?: number | null;
  /** Horizontal limit lines. */
  limits?: number[];
  label: string;
  decimals?: number;
}

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(props: Props, width: number): uPlot.Options {
  const text = token("--text-2");
  const font = `12px ${token("--font")}`;
  const axis: uPlot.Axis = { stroke: text, font, grid: { stroke: token("--draw-4"), width: 1 }, ticks: { show: false } };
  return {
    width, height: props.height ?? 180,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    padding: [8, 8, 0, 0],
    cursor: { y: false, points: { size: 6 } },
    legend: { show: true, live: true },
    axes: [
      { ...axis, values: (_, splits) => splits.map((s) => new Date(s * 1000).toISOString().slice(11, 16)) },
      { ...axis, size: 58, label: props.unit, labelSize: 18, labelFont: font },
    ],
    series: [
      { label: "UTC", value: (_, s) => (s === null ? "–" : new Date(s * 1000).toISOString().slice(11, 19)) },
      ...props.series.map((s): uPlot.Series => ({
        label: s.label,
        stroke: token(s.look === "faint" ? "--draw-3" : (s.color ?? "--draw-1")),
        width: s.look === "faint" ? 1 : 2,
        ...(s.look === "dashed" && { dash: [6, 4] }),
        ...(s.step && uPlot.paths.stepped && { paths: uPlot.paths.stepped({ align: 1 }) }),
        points: { show: false },
        value: (_, v) => (v === null ? "?" : v.toFixed(props.decimals ?? 1)),
      })),
    ],
    hooks: { draw: [(plot) => drawLines(plot, props.limits ?? [], props.mark ?? null)] },
  };
}

function drawLines(plot: uPlot, limits: number[], mark: number | null): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.strokeStyle = token("--line-strong");
  for (const limit of limits) line(plot, "y", limit);
  ctx.setLineDash([]);
  ctx.strokeStyle = token("--accent");
  if (mark !== null) line(plot, "x", mark / 1000);
  ctx.restore();
}

function line(plot: uPlot, scale: "x" | "y", value: number): void {
  const { ctx, bbox } = plot;
  const place = Math.round(plot.valToPos(value, scale, true));
  ctx.beginPath();
  if (scale === "x") {
    ctx.moveTo(place, bbox.top);
    ctx.lineTo(place, bbox.top + bbox.height);
  } else {
    ctx.moveTo(bbox.left, place);
    ctx.lineTo(bbox.left + bbox.width, place);
  }
  ctx.stroke();
}

/** Curves of one unit over time. The label says to a screen reader what they are. */
export function Plot(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = props.series.map((s) => `${s.label}${s.look ?? ""}${s.color ?? ""}`).join("|") + props.unit;
  const data = (): uPlot.AlignedData => [props.times.map((t) => t / 1000), ...props.series.map((s) => s.values)];

  useEffect(() => {
    const at = box.current;
    if (!at) return;
    const made = new uPlot(options(latest.current, at.clientWidth || 300), data(), at);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: at.clientWidth, height: props.height ?? 180 }));
    watch.observe(at);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [shape, props.mark, String(props.limits)]);
  useEffect(() => plot.current?.setData(data()), [props.times, ...props.series.map((s) => s.values)]);

  return <div class="plot" ref={box} role="img" aria-label={props.label} />;
}
