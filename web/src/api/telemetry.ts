// The binary WebSocket: every message is a frame. Comes back by itself, later and later, at most every 10 s.
import { readFrame, type Frame } from "./frame";
import { address } from "./client";
import type { Section } from "./nouns";

const FIRST_MS = 500;
const LONGEST_MS = 10_000;

export interface Telemetry {
  close(): void;
}

export function telemetry(
  sections: Section[],
  on: { frame: (frame: Frame) => void; open: () => void; lost: () => void },
): Telemetry {
  let socket: WebSocket | null = null;
  let wait = FIRST_MS;
  let timer = 0;
  let closed = false;

  const connect = (): void => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}${address("telemetry")}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      wait = FIRST_MS;
      on.open();
    };
    socket.onmessage = (message: MessageEvent<unknown>) => {
      if (message.data instanceof ArrayBuffer) on.frame(readFrame(message.data, sections).frame);
    };
    socket.onclose = () => {
      if (closed) return;
      on.lost();
      timer = window.setTimeout(connect, wait * (0.8 + 0.4 * Math.random()));
      wait = Math.min(wait * 2, LONGEST_MS);
    };
  };
  connect();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      socket?.close();
    },
  };
}
