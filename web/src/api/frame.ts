// A frame on the wire: 32 bytes of header and float32 numbers, little endian (docs/reference/api.md).
import type { Section } from "./nouns";

const HEADER = 32;
const MAGIC = 0x46435241; // "ARCF" read as a little-endian uint32
const NONE = new Float32Array(0);

/** Columns of a table; a column that is not in the frame is an empty array, so `columns.p_kw[i]` is undefined there. */
export type Columns = Record<string, Float32Array>;

export interface Frame {
  seq: number;
  /** Grid time [ms since 1970]. */
  time: number;
  /** Wall time at which it was measured [ms since 1970, the server's clock]. */
  measured: number;
  live: boolean;
  /** Its source is gone. */
  last: boolean;
  area: Columns;
  cells: Columns;
  ties: Columns;
  nodes: Columns;
  branches: Columns;
  devices: Columns;
}

type Tables = Pick<Frame, "area" | "cells" | "ties" | "nodes" | "branches" | "devices">;

function noColumns(): Columns {
  return new Proxy<Columns>({}, { get: (own, name: string) => own[name] ?? NONE });
}

/** Reads one frame at `offset` of a buffer without copying numbers; its columns are views into the buffer. */
export function readFrame(buffer: ArrayBuffer, sections: Section[], offset = 0): { frame: Frame; next: number } {
  const head = new DataView(buffer, offset, HEADER);
  if (head.getUint32(0, true) !== MAGIC || head.getUint16(4, true) !== 1) {
    throw new Error("A frame of another version arrived: load the page again.");
  }
  const flags = head.getUint16(6, true);
  const count = head.getUint32(12, true);
  const tables: Tables = {
    area: noColumns(), cells: noColumns(), ties: noColumns(), nodes: noColumns(), branches: noColumns(), devices: noColumns(),
  };
  let first = offset + HEADER;
  const end = first + 4 * count;
  for (const section of sections) {
    if (first + 4 * section.count > end) break;
    const table = tables[section.table as keyof Tables];
    if (table) table[section.column] = new Float32Array(buffer, first, section.count);
    first += 4 * section.count;
  }
  const frame: Frame = {
    seq: head.getUint32(8, true),
    time: head.getFloat64(16, true) * 1000,
    measured: head.getFloat64(24, true) * 1000,
    live: (flags & 1) !== 0,
    last: (flags & 2) !== 0,
    ...tables,
  };
  return { frame, next: end };
}

/** All frames that follow each other in a buffer. */
export function readFrames(buffer: ArrayBuffer, sections: Section[]): Frame[] {
  const frames: Frame[] = [];
  for (let offset = 0; offset + HEADER <= buffer.byteLength; ) {
    const { frame, next } = readFrame(buffer, sections, offset);
    frames.push(frame);
    offset = next;
  }
  return frames;
}
