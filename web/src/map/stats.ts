// How long drawing takes, for whoever measures: `window.archipelDrawStats`.
declare global {
  interface Window {
    archipelDrawStats?: DrawStats;
  }
}

const KEPT = 60;

export class DrawStats {
  renderer: "webgl2" | "canvas" = "canvas";
  frames = 0;
  private readonly scripts: number[] = [];
  private readonly times: number[] = [];

  constructor(readonly nodes: number) {
    window.archipelDrawStats = this;
  }

  add(script_ms: number, time: number): void {
    this.frames += 1;
    this.scripts.push(script_ms);
    this.times.push(time);
    if (this.scripts.length > KEPT) {
      this.scripts.shift();
      this.times.shift();
    }
  }

  /** Median time of script per frame of the last 60 frames [ms]. */
  get script_ms(): number {
    const sorted = [...this.scripts].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? NaN;
  }

  /** Over the last 60 frames. */
  get frames_per_s(): number {
    const span = (this.times.at(-1) ?? 0) - (this.times[0] ?? 0);
    return span > 0 ? ((this.times.length - 1) * 1000) / span : NaN;
  }
}
