// What the one-line diagram of a cell shows: rows, each a node or all nodes along one outgoing line, joined as a tree.
// Pure: no pixels here, see `oneline.ts`.

/** What is needed of `Area`; row numbers everywhere. */
export interface Grid {
  nodes: { id: string[]; cell: number[] };
  branches: { id: string[]; from_node: number[]; to_node: number[] };
  devices: { kind: string[]; node: number[]; cell: number[] };
  ties: { direction: string; upper: string; lower: string; upper_node: number; lower_node: number }[];
  cells: { id: string }[];
}

export interface KindGroup {
  kind: string;
  devices: number[];
}

export interface Row {
  /** First node of the row. */
  node: number;
  nodes: number[];
  /** Branch through which the row is fed; null: the head of the cell, or joined by a switch. */
  via: number | null;
  /** Branches inside the row and the one into it. */
  branches: number[];
  parent: number | null;
  /** Number of forks between the head and here. */
  lane: number;
  kinds: KindGroup[];
  /** Ties (rows of `Area.ties`) to child cells that leave here. */
  children: number[];
  /** Other ties that end here: open or closed ways to neighbours. */
  others: number[];
}

/** More rows than this are put together, so that a diagram stays one and below 500 elements. */
export const ROWS_MAX = 12;

/** Rows of the diagram of a cell, the head first, every parent before its children. */
export function rowsOf(grid: Grid, cell: number, most = ROWS_MAX): Row[] {
  const members = grid.nodes.cell.flatMap((owner, node) => (owner === cell ? [node] : []));
  if (members.length === 0) return [];
  const tree = spanning(grid, cell, members);
  const rows = members.length <= most ? everyNode(tree) : outgoing(tree, most);
  fill(grid, cell, rows);
  return rows;
}

interface Tree {
  head: number;
  /** Branch into a node and the nodes below it. */
  via: Map<number, number | null>;
  below: Map<number, number[]>;
}

/** Breadth first from where the cell above joins; what no branch reaches hangs at the head without one. */
function spanning(grid: Grid, cell: number, members: number[]): Tree {
  const inside = new Set(members);
  const next = new Map<number, { node: number; branch: number }[]>(members.map((node) => [node, []]));
  grid.branches.from_node.forEach((from, branch) => {
    const to = grid.branches.to_node[branch]!;
    if (!inside.has(from) || !inside.has(to)) return;
    next.get(from)!.push({ node: to, branch });
    next.get(to)!.push({ node: from, branch });
  });
  const head = headOf(grid, cell, members);
  const via = new Map<number, number | null>([[head, null]]);
  const below = new Map<number, number[]>(members.map((node) => [node, []]));
  const walk = (first: number) => {
    const queue = [first];
    for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
      for (const { node, branch } of next.get(at)!) {
        if (via.has(node)) continue;
        via.set(node, branch);
        below.get(at)!.push(node);
        queue.push(node);
      }
    }
  };
  walk(head);
  for (const node of members) {
    if (via.has(node)) continue;
    via.set(node, null);
    below.get(head)!.push(node);
    walk(node);
  }
  return { head, via, below };
}

function headOf(grid: Grid, cell: number, members: number[]): number {
  const id = grid.cells[cell]!.id;
  const up = grid.ties.find((tie) => tie.direction === "vertical" && tie.lower === id);
  const down = grid.ties.find((tie) => tie.direction === "vertical" && tie.upper === id);
  const wanted = up?.lower_node ?? down?.upper_node;
  return wanted !== undefined && members.includes(wanted) ? wanted : members[0]!;
}

function rowAt(tree: Tree, node: number, parent: number | null, lane: number): Row {
  return {
    node, nodes: [node], via: tree.via.get(node)!, branches: [], parent, lane, kinds: [], children: [], others: [],
  };
}

function everyNode(tree: Tree): Row[] {
  const rows: Row[] = [];
  const visit = (node: number, parent: number | null, lane: number) => {
    rows.push(rowAt(tree, node, parent, lane));
    const here = rows.length - 1;
    const below = tree.below.get(node)!;
    for (const child of below) visit(child, here, below.length > 1 ? lane + 1 : lane);
  };
  visit(tree.head, null, 0);
  return rows;
}

/** The head, the nodes up to the first fork, and one row for all that hangs behind each line leaving there. */
function outgoing(tree: Tree, most: number): Row[] {
  const rows = [rowAt(tree, tree.head, null, 0)];
  let fork = tree.head;
  while (tree.below.get(fork)!.length === 1) {
    const only = tree.below.get(fork)![0]!;
    if (rows.length === 1) rows.push(rowAt(tree, only, 0, 0));
    else rows[1]!.nodes.push(only);
    fork = only;
  }
  const parent = rows.length - 1;
  const lines = tree.below.get(fork)!.map((node) => ({ node, nodes: behind(tree, node) }));
  lines.sort((a, b) => b.nodes.length - a.nodes.length || a.node - b.node);
  const room = most - rows.length;
  const alone = lines.length > room ? lines.slice(0, room - 1) : lines;
  for (const line of alone) rows.push({ ...rowAt(tree, line.node, parent, 1), nodes: line.nodes });
  const rest = lines.slice(alone.length);
  if (rest.length > 0) {
    const first = rowAt(tree, rest[0]!.node, parent, 1);
    rows.push({ ...first, via: null, nodes: rest.flatMap((line) => line.nodes) });
  }
  return rows;
}

function behind(tree: Tree, node: number): number[] {
  return [node, ...tree.below.get(node)!.flatMap((child) => behind(tree, child))];
}

/** Puts devices and ties to the rows of their nodes. */
function fill(grid: Grid, cell: number, rows: Row[]): void {
  const rowOf = new Map<number, Row>(rows.flatMap((row) => row.nodes.map((node) => [node, row] as const)));
  // A branch between two rows belongs to the later one, which it feeds.
  grid.branches.from_node.forEach((from, branch) => {
    const ends = [rowOf.get(from), rowOf.get(grid.branches.to_node[branch]!)];
    if (ends[0] && ends[1]) rows[Math.max(rows.indexOf(ends[0]), rows.indexOf(ends[1]))]!.branches.push(branch);
  });
  grid.devices.kind.forEach((kind, device) => {
    const row = grid.devices.cell[device] === cell ? rowOf.get(grid.devices.node[device]!) : undefined;
    if (!row) return;
    const group = row.kinds.find((one) => one.kind === kind);
    if (group) group.devices.push(device);
    else row.kinds.push({ kind, devices: [device] });
  });
  const id = grid.cells[cell]!.id;
  grid.ties.forEach((tie, index) => {
    if (tie.direction === "vertical" && tie.upper === id) rowOf.get(tie.upper_node)?.children.push(index);
    if (tie.direction === "horizontal" && tie.upper === id) rowOf.get(tie.upper_node)?.others.push(index);
    if (tie.direction === "horizontal" && tie.lower === id) rowOf.get(tie.lower_node)?.others.push(index);
  });
}
