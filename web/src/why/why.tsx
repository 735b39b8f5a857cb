import { api } from "../api/client";
import { Modal } from "../commands/modal";
import { askWhy, whyAsked, type WhyAsked } from "../commands/asking";
import { useAsked } from "../lib/asked";
import { when } from "../lib/say";
import { asked } from "../store";
import { Reasons } from "./reasons";

const TITLES: Record<WhyAsked["subject"], string> = {
  setpoint: "Why this setpoint?",
  price: "Why this price?",
  refusal: "Why was it refused?",
};

/** The panel that says why, beside the screen; the moment is the one shown. */
export function WhyPanel() {
  const question = whyAsked.value;
  if (!question) return null;
  return (
    <Modal title={TITLES[question.subject]} side onClose={() => { whyAsked.value = null; }}>
      <Body key={`${question.subject} ${question.element}`} question={question} />
    </Modal>
  );
}

function Body({ question }: { question: WhyAsked }) {
  const { subject, element, said } = question;
  const { value: answer, error: trouble } = useAsked(
    (signal) => api.why({ subject, element, ...asked.value }, signal), [subject, element],
  );
  return (
    <section class="why" aria-busy={!answer && !trouble}>
      <p class="why-element">{question.element}{answer && <> · {when(answer.time, false)} UTC</>}</p>
      {trouble && !said && <p class="bad" role="alert">{trouble}</p>}
      {trouble && said && <p class="why-text">{said}</p>}
      {trouble && said && <p class="note">No more than this is recorded.</p>}
      {answer && <p class="why-text">{answer.text}</p>}
      {answer && <Reasons reasons={answer.reasons} />}
      {answer && answer.reasons.length === 0 && <p class="note">Nothing else stood against it or for it.</p>}
    </section>
  );
}

/** The small link beside a value. */
export function WhyButton({ of, ...question }: WhyAsked & { of: string }) {
  return (
    <button type="button" class="why-button" onClick={() => askWhy(question)} aria-label={`Why: ${of}`}>
      why?
    </button>
  );
}
