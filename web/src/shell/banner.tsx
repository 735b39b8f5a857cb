import { ago } from "../lib/say";
import { Mark } from "../lib/marks";
import { at, area, frame, heard, link, now, pageStale, trouble } from "../store";

/** Says that what is shown is not now: connection gone, or its source. */
export function Banner() {
  if (!area.value) return null;
  const seen = ago((now.value - heard.value) / 1000);
  if (link.value === "lost") {
    return (
      <div class="banner" role="alert">
        <Mark severity="alarm" />
        <span><b>No connection to the server.</b> Last seen {seen} ago; {at.value === null ? "everything on this page is old. " : ""}
        It is being tried again.</span>
      </div>
    );
  }
  if (pageStale.value) {
    return (
      <div class="banner" role="alert">
        <Mark severity="alarm" />
        <span><b>{frame.value?.last ? "What is shown has ended." : "No new values arrive."}</b> The server answers; its newest values are from {seen} ago.</span>
      </div>
    );
  }
  if (trouble.value) {
    return (
      <div class="banner mild" role="status">
        <Mark severity="action" />
        <span>{trouble.value}</span>
        <button class="button small" onClick={() => { trouble.value = ""; }}>Close</button>
      </div>
    );
  }
  return null;
}
