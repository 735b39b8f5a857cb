import { score, story } from "../store";
import { openScore } from "./score";

/** In this tab: the last scene was put away. */
const CLOSED = "archipel-story-closed";

/** The scene of the demonstration that is playing; after the last one the score, and a way to put it away. */
export function StoryBanner() {
  const scene = story.value;
  if (!scene) return null;
  const last = scene.number === scene.of;
  if (!last) sessionStorage.removeItem(CLOSED);
  if (last && sessionStorage.getItem(CLOSED)) return null;
  const close = (): void => {
    sessionStorage.setItem(CLOSED, "yes");
    story.value = null;
  };
  return (
    <div class="story" role="status">
      <span class="story-count">{scene.number} of {scene.of}</span>
      <b>{scene.title}</b>
      <span class="story-text" title={scene.text}>{scene.text}</span>
      {last && (
        <span class="story-end">
          {score.value && <button class="button small" onClick={openScore}>Score</button>}
          <button class="button small" onClick={close}>Close</button>
        </span>
      )}
    </div>
  );
}
