import type { TieAgreement } from "../../api/nouns";
import { num, price } from "../../lib/say";
import { partNames, scaleOf, segmentsOf, type PartName } from "./parts";

const TITLES: Record<PartName, string> = {
  energy: "energy", losses: "losses", congestion: "congestion", voltage: "voltage", fees: "fees", unknown: "not known",
};

/** The common scale of all price bars of a list. */
export function priceScale(ties: TieAgreement[]): { low: number; high: number } {
  return scaleOf(ties.map((tie) => segmentsOf(tie.price_eur_per_kwh, tie.parts)));
}

/** A price as its parts: what adds lies right of the line, what takes away left. */
export function PriceBar({ tie, scale }: { tie: TieAgreement; scale: { low: number; high: number } }) {
  const segments = segmentsOf(tie.price_eur_per_kwh, tie.parts);
  if (segments.length === 0) return null;
  const x = (value: number): number => (100 * (value - scale.low)) / (scale.high - scale.low);
  const words = segments.map((segment) => `${TITLES[segment.name]} ${num(segment.value, 4)}`).join(", ");
  return (
    <svg class="price-bar" viewBox="0 0 100 14" preserveAspectRatio="none" role="img" aria-label={words}>
      <title>{`${words}; together ${price(tie.price_eur_per_kwh)}`}</title>
      {segments.map((segment) => (
        <rect key={segment.name} class={`price-${segment.name}`} x={x(segment.from)} y={2} width={Math.max(0.4, x(segment.to) - x(segment.from))} height={10} />
      ))}
      <path class="price-zero" d={`M${x(0)} 0V14`} />
    </svg>
  );
}

export function Legend() {
  return (
    <ul class="price-legend note" aria-label="Parts of a price">
      {[...partNames, "unknown" as const].map((name) => (
        <li key={name}><svg viewBox="0 0 10 10" aria-hidden="true"><rect class={`price-${name}`} width="10" height="10" /></svg>{TITLES[name]}</li>
      ))}
    </ul>
  );
}
