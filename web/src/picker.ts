/** Lets the keyboard walk from a search field through what it suggests. */
export function startPicker(): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (!(target instanceof HTMLElement)) return;
    const picker = target.closest<HTMLElement>("[data-picker]");
    if (!picker) return;
    const field = picker.querySelector<HTMLInputElement>("input[type=search]");
    const box = picker.querySelector<HTMLElement>(".suggestions");
    if (!field || !box) return;
    const offers = Array.from(box.querySelectorAll<HTMLElement>("[data-offer]"));
    const at = offers.indexOf(target);
    switch (event.key) {
      case "ArrowDown":
        offers[Math.min(offers.length - 1, at + 1)]?.focus();
        break;
      case "ArrowUp":
        if (at <= 0) field.focus();
        else offers[at - 1]?.focus();
        break;
      case "Escape":
        if (box.childElementCount === 0) return;
        box.replaceChildren();
        field.focus();
        break;
      default:
        return;
    }
    event.preventDefault();
  });
  document.addEventListener("focusout", (event) => {
    const picker = (event.target as Element).closest<HTMLElement>("[data-picker]");
    const to = event.relatedTarget;
    if (picker && to instanceof Node && !picker.contains(to)) picker.querySelector(".suggestions")?.replaceChildren();
  });
  document.addEventListener("click", (event) => {
    for (const box of document.querySelectorAll<HTMLElement>("[data-picker] .suggestions")) {
      if (!box.closest("[data-picker]")?.contains(event.target as Node)) box.replaceChildren();
    }
  });
}
