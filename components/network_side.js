// The edges beside the drawing: the strongest, those of a path, those into and out of the selected node; or one edge and its ends.

const MOST_ROWS = 40;

function wireSide(graph) {
  const { root, s, act, area } = graph, side = root.querySelector(".side");
  let shown = "";
  side.addEventListener("keydown", event => {
    if (event.key !== "Escape") return;
    act.clear();
    area.focus();
  });
  return {
    refresh() {
      const lists = s.view.listed ? listsOf(s) : [], now = JSON.stringify([lists, s.c]);
      if (now === shown) return;
      shown = now;
      const wasHere = side.contains(side.getRootNode().activeElement);
      side.replaceChildren(...lists.flatMap(list => listElements(graph, list)));
      side.scrollTop = 0;
      if (wasHere) side.querySelector("button")?.focus();
    },
    destroy() {},
  };
}

function listsOf({ view, edge, route, selected }) {  // of each: its title, lines of text, and rows
  const strongest = [...view.edges].reverse(), input = ({ id }) => (id.endsWith(">") ? ` (${id.at(-2)})` : "");
  if (edge) {
    const { id, from, to, title } = edgeOf(view, edge), ends = [["from", from], ["to", to]];
    return [{ title: id, lines: title.split("\n").slice(1), rows: ends.map(([where, node]) => ({ words: `${where} ${node}`, node })) }];
  }
  const into = strongest.filter(({ to }) => to === selected), out = strongest.filter(({ from }) => from === selected);
  const lists = [
    ["Path", route.map(id => edgeOf(view, id)), ({ id }) => ({ words: id })],
    [`Into ${selected}`, into, item => ({ words: item.from + input(item), node: item.from })],
    [`Out of ${selected}`, out, item => ({ words: item.to + input(item), node: item.to })],
  ].filter(([, edges]) => edges.length);
  const most = Math.abs(strongest[0]?.score) || 1;
  return (lists.length ? lists : [["Strongest edges", strongest, ({ id }) => ({ words: id })]]).map(list => edgeList(most, ...list));
}

function edgeList(most, title, edges, row) {  // `most`: the largest |score| of the graph; so all scores have the same decimals
  const decimals = Math.min(8, Math.max(0, 3 - Math.floor(Math.log10(most))));
  const top = Math.max(...edges.map(edge => Math.abs(edge.score)));
  const rows = edges.slice(0, MOST_ROWS).map(edge => ({
    ...row(edge), id: edge.id, group: edge.group, hint: edge.title, part: Math.round((100 * Math.abs(edge.score)) / (top || 1)),
    score: `${edge.score > 0 ? "+" : ""}${edge.score.toFixed(decimals)}`,
  }));
  return { title: `${title} (${edges.length})`, rows, lines: edges.length > MOST_ROWS ? [`The ${MOST_ROWS} strongest:`] : [] };
}

function listElements(graph, { title, lines, rows }) {
  const text = (kind, words) => Object.assign(document.createElement(kind), { textContent: words });
  return [text("h2", title), ...lines.map(words => text("p", words)), ...rows.map(row => rowButton(graph, row))];
}

function rowButton({ s, act }, { id, words, node, score, group, part, hint }) {
  const button = Object.assign(document.createElement("button"), { type: "button", title: hint ?? "" });
  const span = (name, content = "") => Object.assign(document.createElement("span"), { className: name, textContent: content });
  if (group) {
    const { colour, dashed } = s.view.groups[group], mark = span(dashed ? "mark dashed" : "mark");
    mark.style.setProperty("--hue", s.c[colour]);
    button.style.setProperty("--part", `${part}%`);
    button.append(mark);
  }
  button.append(span("words", words), span("score", score));
  button.addEventListener("click", () => (node ? act.choose(node) : act.chooseEdge(id)));
  for (const [event, edge] of [["pointerenter", id], ["focus", id], ["pointerleave", null], ["blur", null]]) {
    button.addEventListener(event, () => act.peek(edge ?? null));
  }
  return button;
}
