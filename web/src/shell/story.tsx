import { score, story } from "../store";
import { openScore } from "./score";

/** The scene of the demonstration that is playing; after the last one the score, and a way to put it away. */
export function StoryBanner() {
  const scene = story.value;
  if (!scene) return null;
  return (
    <div class="story" role="status">
      <span class="story-count">{scene.number} of {scene.of}</span>
      <b>{scene.title}</b>
      <span class="story-text" title={scene.text}>{scene.text}</span>
      {scene.number === scene.of && (
        <span class="story-end">
          {score.value && <button class="button small" onClick={openScore}>Score</button>}
          <button class="button small" onClick={() => { story.value = null; }}>Close</button>
        </span>
      )}
    </div>
  );
}
