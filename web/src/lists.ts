/** Keeps the number in the bulk bar; the bar itself shows by style alone. */
export function startLists(root: ParentNode): void {
  const forms = root instanceof HTMLFormElement && root.matches("[data-bulk]") ? [root] : root.querySelectorAll<HTMLFormElement>("[data-bulk]");
  for (const form of forms) {
    if (form.dataset["started"]) continue;
    form.dataset["started"] = "true";
    const boxes = (): HTMLInputElement[] => Array.from(form.querySelectorAll<HTMLInputElement>("input[name=fp]"));
    const count = (): void => {
      const n = boxes().filter((box) => box.checked).length;
      const label = form.querySelector("[data-count]");
      if (label) label.textContent = `${n} selected`;
    };
    let last: HTMLInputElement | undefined;
    form.addEventListener("click", (event) => {
      const box = event.target;
      if (!(box instanceof HTMLInputElement) || box.name !== "fp") return;
      // Shift selects the range from the last one, as mail programs do.
      if ((event as MouseEvent).shiftKey && last) {
        const all = boxes();
        const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b) as [number, number];
        for (const other of all.slice(from, to + 1)) other.checked = box.checked;
      }
      last = box;
      count();
    });
    form.addEventListener("change", count);
    form.addEventListener("reset", () => setTimeout(count));
    count();
  }
}
