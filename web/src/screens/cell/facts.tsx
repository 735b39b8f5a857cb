import type { Area } from "../../api/nouns";
import type { Frame } from "../../api/frame";
import { tagsOf } from "../../commands/tags";
import { ago, known, kw, kwh, percent, price, pu, when } from "../../lib/say";
import { cellAge, cellStale, commands } from "../../store";
import { WhyButton } from "../../why/why";
import { Fact } from "../fact";
import { ofLoading, ofVoltage, voltages, worse } from "./limits";
import { levelWords, modeWords } from "./words";

/** Level, mode, armed, tags and what is limited, in words. */
export function Facts({ area, frame, cell }: { area: Area; frame: Frame; cell: number }) {
  const id = area.cells[cell]!.id;
  const of = (column: string): number | undefined => frame.cells[column]?.[cell];
  const tie = area.ties.find((one) => one.direction === "vertical" && one.lower === id);
  const tag = tagsOf(commands.value).get(id);
  const level = of("level");
  // Where every cell is on its own by plan (a strategy without agreements), that is normal.
  const lower = known(level) && level >= 2 && (frame.live || [...(frame.cells.level ?? [])].some((other) => other < 2));
  const mode = of("mode");
  const armed = of("armed");
  const age = cellAge(cell);
  return (
    <dl class="facts">
      <Fact name="Level" look={lower ? "binds" : "normal"}>{known(level) ? levelWords[level] : "?"}</Fact>
      <Fact name="Mode" look={known(mode) && mode !== 0 && mode !== 4 ? "binds" : "normal"}>{known(mode) ? modeWords[mode] : "?"}</Fact>
      {known(armed) && (
        <Fact name="Armed">{armed ? "yes: it may write setpoints" : "no: it only watches"}</Fact>
      )}
      <Fact name="Safety tag" look={tag ? "binds" : "normal"}>{tag ? `${tag.why} (${tag.who}, ${when(tag.since, false)})` : "none"}</Fact>
      <Voltage area={area} frame={frame} cell={cell} />
      {known(of("loading_max")) && (
        <Fact name="Highest loading" look={ofLoading(of("loading_max"), 1)}>{percent(of("loading_max"), 1)} of its limit</Fact>
      )}
      {known(of("stored_kwh")) && known(of("soc")) && <Fact name="Stored">{kwh(of("stored_kwh"))}, {percent(of("soc"))} of its room</Fact>}
      {known(of("available_kw")) && known(of("renewable_kw")) && of("available_kw")! - of("renewable_kw")! > 0.5 && (
        <Fact name="Sun and wind cut" look="binds">{kw(of("available_kw")! - of("renewable_kw")!)} of {kw(of("available_kw"))}</Fact>
      )}
      <Fact name="Price">
        {known(of("price_eur_per_kwh")) ? price(of("price_eur_per_kwh")) : "none: nothing was agreed that has one"}{" "}
        {tie && known(of("price_eur_per_kwh")) && <WhyButton subject="price" element={tie.id} of={`the price of ${id}`} />}
      </Fact>
      {frame.live && known(age) && <Fact name="Measured" look={cellStale(cell) ? "binds" : "normal"}>{ago(age)} ago</Fact>}
    </dl>
  );
}

function Voltage({ area, frame, cell }: { area: Area; frame: Frame; cell: number }) {
  const nodes = area.nodes.cell.flatMap((owner, node) => (owner === cell ? [node] : []));
  const { low, high } = voltages(nodes, frame.nodes.v_pu);
  const first = nodes[0];
  if (first === undefined) return null;
  const least = area.nodes.v_pu_min[first] ?? 0;
  const most = area.nodes.v_pu_max[first] ?? 2;
  return (
    <Fact name="Voltage" look={worse(ofVoltage(low, least, most), ofVoltage(high, least, most))}>
      {pu(low) === pu(high) ? "" : `${pu(low).split(" ")[0]} to `}{pu(high)} <span class="note">allowed {least} to {most}</span>
    </Fact>
  );
}
