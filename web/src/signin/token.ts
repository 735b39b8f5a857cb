/** The token of a sign-in link `/#token=...`; empty without one. What follows # never leaves the browser by itself. */
export function tokenIn(hash: string): string {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token") ?? "";
}
