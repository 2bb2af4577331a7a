import { make } from "./lineage-drawing";
import type { Graph, GraphNode } from "./lineage-types";

interface Actions {
  go(address: string, keep: string): void;
  close(): void;
  pick(id: string): void;
}

const LISTED = 12;

/** What is known about the selected box, and what can be done with it. */
export class Side {
  constructor(
    private readonly element: HTMLElement,
    private readonly icon: (name: string) => Node,
    private readonly actions: Actions,
  ) {}

  hide(): void {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  show(n: GraphNode, graph: Graph): void {
    const head = make("div", "lin-side-head");
    const name = make("h2", "");
    name.append(make("bdi", "", n.name));
    const close = make("button", "icon-button");
    close.type = "button";
    close.setAttribute("aria-label", "Close");
    close.append(this.icon("close"));
    close.addEventListener("click", () => this.actions.close());
    head.append(name, close);

    const facts = make("p", "small muted");
    facts.append(make("bdi", "", [n.word, n.path, n.note, n.views ? `${n.views} views` : ""].filter(Boolean).join(" · ")));
    const links = make("div", "actions");
    links.append(this.link("Open its page", n.page), this.link("Impact", n.break));
    if (!n.root) links.append(this.link("Start here", n.here));
    const more = make("div", "actions");
    const button = (text: string, address: string): void => {
      const b = make("button", "button small", text);
      b.type = "button";
      b.addEventListener("click", () => this.actions.go(address, n.key));
      more.append(b);
    };
    if (n.openUp) button(`Show more sources (${n.moreUp ?? 0})`, n.openUp);
    if (n.openDown) button(`Show more users (${n.moreDown ?? 0})`, n.openDown);
    if (n.closeUp) button("Fold sources", n.closeUp);
    if (n.closeDown) button("Fold users", n.closeDown);

    const parts: Node[] = [head, facts, links];
    if (more.childNodes.length > 0) parts.push(more);
    if (n.gaps) parts.push(make("p", "small lin-side-gap", `${n.gaps} parts of it are not resolved. What it is made from may be incomplete.`));
    const ends = (title: string, list: { id: string; text: string; how?: string | undefined }[]): void => {
      if (list.length === 0) return;
      parts.push(make("h3", "", title));
      const ul = make("ul", "lin-side-list small");
      for (const e of list.slice(0, LISTED)) {
        const li = make("li", "");
        const b = make("button", "lin-side-pick");
        b.type = "button";
        b.append(make("bdi", "clip", graph.nodes.find((x) => x.id === e.id)?.name ?? ""));
        b.addEventListener("click", () => this.actions.pick(e.id));
        li.append(b, make("span", "muted", e.text + (e.how ? ` (${e.how})` : "")));
        ul.append(li);
      }
      if (list.length > LISTED) ul.append(make("li", "muted", `and ${list.length - LISTED} more`));
      parts.push(ul);
    };
    ends("Made from", graph.edges.filter((e) => e.to === n.id && e.from !== n.id).map((e) => ({ id: e.from, text: e.ways.join(", "), how: e.how })));
    ends("Used by", graph.edges.filter((e) => e.from === n.id && e.to !== n.id).map((e) => ({ id: e.to, text: e.ways.join(", "), how: e.how })));
    if (n.cells?.length) {
      parts.push(make("h3", "", "Columns"));
      const ul = make("ul", "lin-side-list small");
      for (const c of n.cells) {
        const li = make("li", "");
        const code = make("code", "");
        code.append(make("bdi", "", c.name));
        if (c.href) {
          const a = this.link("", c.href);
          a.className = "";
          a.append(code);
          li.append(a);
        } else {
          li.append(c.use ? make("span", "muted", c.name) : code);
        }
        if (c.from) li.append(make("span", "muted", `from ${c.from}`));
        ul.append(li);
      }
      parts.push(ul);
    }
    this.element.replaceChildren(...parts);
    this.element.hidden = false;
  }

  private link(text: string, address: string): HTMLAnchorElement {
    const a = make("a", "button small", text);
    a.href = new URL(address, location.origin).pathname + new URL(address, location.origin).search;
    return a;
  }
}
