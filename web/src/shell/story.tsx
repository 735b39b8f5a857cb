import { story } from "../store";

/** The scene of the demonstration that is playing. */
export function StoryBanner() {
  const scene = story.value;
  if (!scene) return null;
  return (
    <div class="story" role="status">
      <span class="story-count">{scene.number} of {scene.of}</span>
      <b>{scene.title}</b>
      <span>{scene.text}</span>
    </div>
  );
}
