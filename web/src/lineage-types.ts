/** What the server answers for a drawing; see internal/web/lineageview/model.go. */
export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
  folds: Fold[];
  links?: CellLink[];
  note: string;
  columns: boolean;
}

export interface GraphNode {
  id: string;
  key: string;
  kind: string;
  word: string;
  name: string;
  path?: string;
  note?: string;
  views?: string;
  gaps?: number;
  step: number;
  root?: boolean;
  page: string;
  here: string;
  break: string;
  sources: number;
  users: number;
  moreUp?: number;
  moreDown?: number;
  openUp?: string;
  openDown?: string;
  closeUp?: string;
  closeDown?: string;
  cells?: Cell[];
  moreCells?: number;
}

export interface Cell {
  name: string;
  use?: boolean;
  mark?: boolean;
  href?: string;
  from?: string;
}

export interface GraphEdge {
  from: string;
  to: string;
  ways: string[];
  sure: boolean;
  loop?: boolean;
  how?: string;
}

export interface Fold {
  id: string;
  at: string;
  up: boolean;
  text: string;
  /** Shows some of them; absent where none may be seen. */
  open?: string;
  count: number;
}

export interface CellLink {
  from: [number, number];
  to: [number, number];
  way: string;
  sure: boolean;
}

/** What is laid out: boxes by id and the lines between them. */
export interface LayoutAsk {
  boxes: { id: string; width: number; height: number }[];
  lines: { from: string; to: string; weight: number }[];
}

export interface Point {
  x: number;
  y: number;
}

export interface LayoutAnswer {
  /** Top left corners. */
  at: Record<string, Point>;
  /** The bends of each line, in the order of the question. */
  bends: Point[][];
  width: number;
  height: number;
}
