const full = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });

/** Writes the absolute time of every relative one in the reader's zone. */
export function localTimes(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>("time[data-absolute]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.title = full.format(at);
    element.dataset["absolute"] = element.title;
  }
}
