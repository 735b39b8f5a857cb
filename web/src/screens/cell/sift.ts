// Which devices the table shows: sifted, sorted, one page of them.

export interface DeviceRow {
  row: number;
  id: string;
  kind: string;
  node: string;
  p_kw: number | undefined;
  p_kw_set: number | undefined;
  soc: number | undefined;
}

export type Column = "id" | "kind" | "node" | "p_kw" | "p_kw_set" | "soc";

export interface Order {
  by: Column;
  down: boolean;
}

export const PAGE = 25;

/** Rows of a kind (empty: all) whose id or node holds the words, in order; what is not known comes last. */
export function sift(rows: DeviceRow[], kind: string, words: string, order: Order): DeviceRow[] {
  const wanted = words.trim().toLowerCase();
  const kept = rows.filter((row) =>
    (!kind || row.kind === kind) && (!wanted || row.id.toLowerCase().includes(wanted) || row.node.toLowerCase().includes(wanted)));
  const sign = order.down ? -1 : 1;
  return kept.sort((a, b) => {
    const left = a[order.by];
    const right = b[order.by];
    if (typeof left === "string" && typeof right === "string") return sign * left.localeCompare(right, "en", { numeric: true }) || a.row - b.row;
    const gap = Number(isOpen(left)) - Number(isOpen(right));
    if (gap !== 0 || isOpen(left)) return gap || a.row - b.row;
    return sign * (Number(left) - Number(right)) || a.row - b.row;
  });
}

function isOpen(value: string | number | undefined): boolean {
  return value === undefined || Number.isNaN(value);
}
