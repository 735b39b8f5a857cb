import type { Severity } from "../api/nouns";

const WORDS: Record<Severity, string> = { alarm: "Alarm", action: "Action", compliant: "Compliant", information: "Information" };

/** The shape of a severity: every one differs, so that colour is never alone. */
export function Mark({ severity }: { severity: Severity }) {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" fill="currentColor">
      {severity === "alarm" && <path d="M8 1 15.5 15H.5zM7.2 5.8v4.6h1.6V5.8zm0 5.8v1.7h1.6v-1.7z" fill-rule="evenodd" />}
      {severity === "action" && <path d="M8 .5 15.5 8 8 15.5 .5 8z" />}
      {severity === "compliant" && <path d="M8 .5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zM6.9 11.6l5-5.200-1.300-1.200-3.700 3.900-1.700-1.700-1.200 1.200z" fill-rule="evenodd" />}
      {severity === "information" && <path d="M2 1h12v14H2zm5.200 5.800v5.400h1.600V6.800zm0-2.900v1.700h1.600V3.900z" fill-rule="evenodd" />}
    </svg>
  );
}

/** Mark and word of a severity. */
export function Sev({ severity, children }: { severity: Severity; children?: preact.ComponentChildren }) {
  return <span class={`sev ${severity}`}><Mark severity={severity} />{children ?? WORDS[severity]}</span>;
}
