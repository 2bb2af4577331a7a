/** Follows a running scan by server-sent events; when it ends, the page is
 * loaded anew with its result. */
export function startScan(): void {
  const box = document.querySelector<HTMLElement>("[data-events]");
  if (!box?.dataset["events"]) return;
  const source = new EventSource(box.dataset["events"]);
  const show = (html: string): void => {
    // Our own server's markup, and scripts in it would not run under the page's policy.
    box.innerHTML = html;
    const chip = document.querySelector(".scan-chip");
    const value = box.querySelector("progress")?.getAttribute("value");
    if (chip && value) chip.lastChild!.textContent = ` Scan ${value} %`;
  };
  source.addEventListener("progress", (event) => show((event as MessageEvent<string>).data));
  source.addEventListener("done", (event) => {
    source.close();
    show((event as MessageEvent<string>).data);
    location.reload();
  });
  window.addEventListener("pagehide", () => source.close());
}
