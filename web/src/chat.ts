import { toast } from "./toast";

/** Chats: follows an answer while it is written, sends with Enter, copies. */
export function startChat(): void {
  follow();
  followAgent();
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-composer]")) composer(form);
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-copy-answer]");
    if (button) void copyAnswer(button);
  });
}

function follow(): void {
  const box = document.querySelector<HTMLElement>("[data-chat-events]");
  if (!box?.dataset["chatEvents"]) return;
  const source = new EventSource(box.dataset["chatEvents"]);
  const show = (html: string): void => {
    const open = box.querySelector<HTMLDetailsElement>("details.steps")?.open ?? false;
    const near = window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 120;
    // Our own server's markup, and scripts in it would not run under the page's policy.
    box.innerHTML = html;
    const steps = box.querySelector<HTMLDetailsElement>("details.steps");
    if (steps) steps.open = open;
    if (near) window.scrollTo(0, document.documentElement.scrollHeight);
  };
  source.addEventListener("answer", (event) => show((event as MessageEvent<string>).data));
  source.addEventListener("done", (event) => {
    source.close();
    show((event as MessageEvent<string>).data);
    location.reload();
  });
  window.addEventListener("pagehide", () => source.close());
}

function followAgent(): void {
  const box = document.querySelector<HTMLElement>("[data-assist-events]");
  if (!box?.dataset["assistEvents"]) return;
  const source = new EventSource(box.dataset["assistEvents"]);
  source.addEventListener("progress", (event) => {
    box.innerHTML = (event as MessageEvent<string>).data;
  });
  source.addEventListener("done", () => {
    source.close();
    location.reload();
  });
  // Another process may be at work: the page reloads itself then.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
  window.addEventListener("pagehide", () => source.close());
}

function composer(form: HTMLFormElement): void {
  const field = form.querySelector("textarea");
  if (!field) return;
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (field.value.trim() !== "") form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    // A second click would ask twice.
    for (const button of form.querySelectorAll("button")) button.disabled = true;
  });
}

async function copyAnswer(button: HTMLElement): Promise<void> {
  const text = button.closest("article")?.querySelector<HTMLElement>("[data-answer]")?.innerText ?? "";
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser did not allow copying. Select the text instead.", true);
  }
}
