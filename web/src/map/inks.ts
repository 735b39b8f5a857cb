// The theme's colours for canvases; read again when the theme changes.
export interface Inks {
  ground: string; panel: string; raised: string; line: string; text: string; text2: string; faded: string;
  line1: string; line2: string; line3: string; line4: string; accent: string;
  alarm: string; action: string; actionMark: string; compliant: string; information: string;
  font11: string; font12: string; bold12: string; bold14: string; family: string;
}

export function readInks(): Inks {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const family = of("font");
  return {
    ground: of("ground"), panel: of("panel"), raised: of("raised"), line: of("line"), text: of("text"), text2: of("text-2"),
    faded: of("faded"), line1: of("draw-1"), line2: of("draw-2"), line3: of("draw-3"), line4: of("draw-4"),
    accent: of("accent"), alarm: of("alarm"), action: of("action"), actionMark: of("action-mark"),
    compliant: of("compliant"), information: of("information"),
    font11: `11px ${family}`, font12: `12px ${family}`, bold12: `600 12px ${family}`, bold14: `650 14px ${family}`, family,
  };
}

export function onThemeChange(told: () => void): () => void {
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", told);
  return () => media.removeEventListener("change", told);
}
