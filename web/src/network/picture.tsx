import { useEffect, useRef, useState } from "preact/hooks";

import { onThemeChange, readInks, type Inks } from "../map/inks";
import type { Room } from "./strip";

interface Props {
  class: string;
  label: string;
  draw: (ctx: CanvasRenderingContext2D, room: Room, inks: Inks) => void;
  pick?: (px: number, py: number, room: Room) => void;
}

/** A canvas that fills its box and is drawn again whenever its parent is. */
export function Picture({ draw, pick, label, ...rest }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [room, setRoom] = useState<Room>({ width: 0, height: 0 });
  const [inks, setInks] = useState<Inks>(readInks);
  useEffect(() => {
    const box = canvas.current!;
    const watch = new ResizeObserver(() => setRoom({ width: box.clientWidth, height: box.clientHeight }));
    watch.observe(box);
    const unthemed = onThemeChange(() => setInks(readInks()));
    return () => {
      watch.disconnect();
      unthemed();
    };
  }, []);
  useEffect(() => {
    const box = canvas.current;
    if (!box || !room.width) return;
    const dpr = devicePixelRatio;
    const [width, height] = [Math.round(room.width * dpr), Math.round(room.height * dpr)];
    if (box.width !== width || box.height !== height) [box.width, box.height] = [width, height];
    const ctx = box.getContext("2d")!;
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    draw(ctx, room, inks);
  });
  const click = (event: MouseEvent): void => pick?.(event.offsetX, event.offsetY, room);
  return <canvas ref={canvas} role="img" aria-label={label} onClick={click} {...rest} />;
}
