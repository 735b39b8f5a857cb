/** A new command id: the moment and 80 random bits, 8 to 64 letters, digits, - or _. The same id is carried out once. */
export function commandId(now: Date = new Date(), random: Uint8Array = crypto.getRandomValues(new Uint8Array(10))): string {
  const moment = now.toISOString().slice(0, 19).replace(/[-:]/g, "");
  const noise = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${moment}-${noise}`;
}
