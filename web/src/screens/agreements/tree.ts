// The tree of cells as a picture: the root on top, leaves side by side, parents over the middle of their children.

export interface TreeCell {
  id: string;
  parent: string;
}

export interface Spot {
  id: string;
  parent: string;
  /** Column, in widths of a leaf. */
  x: number;
  depth: number;
}

/** Spots of all cells, parents first; cells whose parent is not there count as roots. */
export function spotsOf(cells: TreeCell[]): Spot[] {
  const ids = new Set(cells.map((cell) => cell.id));
  const below = (id: string) => cells.filter((cell) => cell.parent === id && cell.id !== id);
  const spots: Spot[] = [];
  let column = 0;
  const visit = (cell: TreeCell, depth: number): Spot => {
    const spot: Spot = { id: cell.id, parent: depth === 0 ? "" : cell.parent, x: 0, depth };
    spots.push(spot);
    const children = below(cell.id).map((child) => visit(child, depth + 1));
    spot.x = children.length ? (children[0]!.x + children.at(-1)!.x) / 2 : column++;
    return spot;
  };
  for (const cell of cells) if (!ids.has(cell.parent) || cell.parent === cell.id) visit(cell, 0);
  return spots;
}

/** Cells in the order of the tree, each with its depth, for indented tables. */
export function inOrder(cells: TreeCell[]): { id: string; depth: number }[] {
  return spotsOf(cells).map(({ id, depth }) => ({ id, depth }));
}

/** Who gives over a tie, and how much. Positive power flows into the lower cell. */
export function giver(upper: string, lower: string, p_kw: number | null): { from: string; to: string; kw: number } | null {
  if (p_kw === null || !Number.isFinite(p_kw) || Math.abs(p_kw) < 0.05) return null;
  return p_kw > 0 ? { from: upper, to: lower, kw: p_kw } : { from: lower, to: upper, kw: -p_kw };
}
