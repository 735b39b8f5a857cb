// What an element is: commands are offered and bounded by it.
import type { Area } from "../api/nouns";
import type { ElementKind } from "./acts";
import type { Room } from "./draft";

export function kindOf(area: Area, element: string): ElementKind {
  if (element === "" || element === "upstream") return "area";
  if (area.cells.some((cell) => cell.id === element)) return "cell";
  if (area.ties.some((tie) => tie.id === element)) return "tie";
  if (area.devices.id.includes(element)) return "device";
  return "card";
}

/** Bounds of what can be asked of an element, as far as the area tells them. */
export function roomOf(area: Area, element: string): Room {
  if (element === "upstream") return { import_kw_max: area.import_kw_max, export_kw_max: area.export_kw_max };
  const device = area.devices.id.indexOf(element);
  if (device >= 0) return { p_kw_min: area.devices.p_kw_min[device] ?? null, p_kw_max: area.devices.p_kw_max[device] ?? null };
  const cell = area.cells.find((one) => one.id === element);
  return cell ? { import_kw_max: cell.rated_kw, export_kw_max: cell.rated_kw } : {};
}

/** What an element is called in a sentence. */
export function nameOf(area: Area, element: string): string {
  if (element === "") return "everything";
  if (element === "upstream") return "the connection upstream";
  const device = area.devices.id.indexOf(element);
  return device >= 0 ? `${element} in ${area.cells[area.devices.cell[device]!]?.id ?? "?"}` : element;
}
