// The controls around the drawing: toolbar, keys, search, chips, legend.

const KEYS = { p: "pin", t: "path", "+": "in", "=": "in", "-": "out", 0: "home", f: "full", "/": "find", "?": "help", Enter: "enter",
  Escape: "clear", "[": "earlier", "]": "later" };

function wireTools(graph) {
  const { root, s, act } = graph, deeds = deedsOf(graph);
  for (const element of root.querySelectorAll("[data-do]")) element.addEventListener("click", () => deeds[element.dataset.do]());
  for (const element of root.querySelectorAll("[data-live]")) element.hidden = !s.movable;
  wireKeys(graph, deeds);
  wireSearch(graph);
  const button = name => root.querySelector(`[data-do=${name}]`);
  const onFull = () => button("full").setAttribute("aria-pressed", String(isFull(graph.box)));
  document.addEventListener("fullscreenchange", onFull);

  return {
    refresh() {  // buttons and chips after every change
      for (const name of ["pin", "path"]) button(name).disabled = !s.selected && !s.picking;
      button("pin").setAttribute("aria-pressed", String(s.pins.includes(s.selected)));
      button("path").setAttribute("aria-pressed", String(Boolean(s.picking)));
      const chips = s.pins.map(id => chip(id, `Remove the pin of ${id}`, () => act.pin(id)));
      if (s.path) chips.push(chip(`${s.path[0]} to ${s.path[1]}`, "Remove the path", () => act.setPath(null)));
      root.querySelector(".chips").replaceChildren(...chips);
      root.querySelector(".legend").replaceChildren(...legendEntries(s.view).map(entry => legendSpan(s, entry)));
    },
    destroy: () => document.removeEventListener("fullscreenchange", onFull),
  };
}

function deedsOf(graph) {
  const { root, box, area, network, s, act } = graph, find = root.querySelector(".find"), help = root.querySelector(".help");
  const here = () => s.hovered ?? s.selected;
  const deeds = {
    pin: () => here() && act.pin(here()),
    path: () => (s.picking ? act.pick(null) : here() && act.pick(here())),
    in: () => zoom(graph, 1.25), out: () => zoom(graph, 0.8), home: () => home(graph),
    full: () => (isFull(box) ? document.exitFullscreen() : box.requestFullscreen()),
    png: () => savePng(area, network, s), svg: () => saveSvg(area, network, s),
    help() { help.hidden = !help.hidden; root.querySelector("[data-do=help]").setAttribute("aria-expanded", String(!help.hidden)); },
    find() { find.focus(); find.select(); },
    enter: () => s.hovered && act.click(s.hovered),
    clear: () => (help.hidden ? act.clear() : deeds.help()),
    earlier: () => pushBoundary(graph, -1), later: () => pushBoundary(graph, 1),
  };
  return deeds;
}

function pushBoundary(graph, by) {  // a run of key strokes is one choice
  const { s, act } = graph;
  if (!s.movable || s.boundary === null) return;
  act.moveBoundary(s.boundary + by);
  clearTimeout(graph.pushed);
  graph.pushed = setTimeout(() => s.boundary !== s.view.axes.boundary && graph.tell("boundary", s.boundary), 200);
}

function wireKeys({ area, s, act }, deeds) {
  area.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) act.hover(nextNode(s.view, s.hovered ?? s.selected, event.key), true);
    else if (KEYS[event.key]) deeds[KEYS[event.key]]();
    else return;
    event.preventDefault();
    event.stopPropagation();  // the page has keys of its own
  });
  area.addEventListener("blur", () => act.hover(null));
}

function wireSearch(graph) {
  const { root, area, s, act } = graph, find = root.querySelector(".find"), list = root.querySelector("datalist");
  const jump = () => {
    const [first] = found(s.view, find.value);
    if (first) act.show(first);
    else if (find.value.trim()) say(graph, `No match for "${find.value.trim()}" in this graph.`);
  };
  find.addEventListener("input", event => {
    const option = value => Object.assign(document.createElement("option"), { value });
    list.replaceChildren(...found(s.view, find.value).slice(0, 12).map(option));
    if (!(event instanceof InputEvent) || event.inputType === "insertReplacementText") jump();  // picked from the list
  });
  find.addEventListener("keydown", event => {
    event.stopPropagation();
    if (event.key === "Enter") jump();
    if (event.key === "Escape") { find.value = ""; area.focus(); }
  });
}

function isFull(box) {
  return box.getRootNode().fullscreenElement === box;
}

function chip(words, label, remove) {
  const element = Object.assign(document.createElement("button"), { type: "button", textContent: words });
  element.setAttribute("aria-label", label);
  element.addEventListener("click", remove);
  return element;
}

function legendSpan(s, [mark, words, colour, dashed]) {
  const span = document.createElement("span");
  if (mark) {
    const picture = document.createElementNS(SVG, "svg");
    const left = ["dot", "square"].includes(mark) ? 16 : 0;
    const size = [["width", 30 - left], ["height", 12], ["viewBox", `${left} 0 ${30 - left} 12`]];
    [...size, ["aria-hidden", "true"]].forEach(pair => picture.setAttribute(...pair));
    paintMark(svgContext(picture), mark, 1, 6, s.c[colour], dashed);
    span.append(picture);
  }
  span.append(words);
  return span;
}
